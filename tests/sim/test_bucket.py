"""Whatever is asked and whenever: never more admitted than the burst and the refill."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.sim.bucket import Bucket

asks = st.lists(st.tuples(st.floats(0, 20), st.integers(1, 60)), min_size=1, max_size=60)


@given(asks=asks, per_minute=st.floats(1, 600), seconds=st.sampled_from([1.0, 10.0, 60.0]))
def test_never_more_than_burst_and_rate(asks, per_minute, seconds):
    bucket, now, admitted = Bucket(per_minute, seconds), 0.0, []
    for pause, cost in asks:
        now += pause
        if bucket.wait_s(cost, now) == 0:
            bucket.take(cost, now)
            admitted.append((now, cost))
    burst = max(bucket.capacity, max(cost for _, cost in asks))
    for i, (begin, _) in enumerate(admitted):
        total = 0
        for end, cost in admitted[i:]:
            total += cost
            assert total <= burst + bucket.rate * (end - begin) + 1e-6


@given(cost=st.integers(1, 50), spent=st.integers(0, 50), per_minute=st.floats(1, 600))
def test_the_wait_is_as_long_as_said(cost, spent, per_minute):
    bucket = Bucket(per_minute, 10)
    bucket.take(spent, 0.0)
    wait = bucket.wait_s(cost, 0.0)
    if wait > 1e-6:
        assert bucket.wait_s(cost, wait * 0.999 - 1e-9) > 0
    assert bucket.wait_s(cost, wait + 1e-6) == 0


def test_refusals_cost_but_make_no_debt():
    bucket = Bucket(60, 60)
    bucket.take(59.5, 0.0)
    bucket.spill(1, 0.0)
    bucket.spill(1, 0.0)
    assert bucket.level(0.0) == 0
    assert bucket.wait_s(1, 0.0) == pytest.approx(1.0)
    bucket.take(10, 0.0)
    bucket.spill(1, 0.0)
    assert bucket.level(0.0) == -10, "a debt stays what it is"
