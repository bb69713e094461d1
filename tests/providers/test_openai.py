"""The adapter for OpenAI and servers like it: the conformance suite, then what is its own."""

from __future__ import annotations

from contextlib import asynccontextmanager

from fanfold.providers.openai import OpenAI
from fanfold.providers.wire import Wire
from fanfold.testing.providers import KEY, ProviderConformance


class TestConformance(ProviderConformance):
    @asynccontextmanager
    async def provider(self, base_url):
        wire = Wire(connections=20, body_limit=1 << 20)
        yield OpenAI(wire, base_url, KEY)
        await wire.close()
