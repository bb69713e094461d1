from __future__ import annotations

import pytest

from fanfold import PlanError
from fanfold.config import data_folder, options
from fanfold.wiring import default_model, split_model


def test_an_option_beats_the_environment_beats_the_file(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text('rpm = 1\ntpm = 2\nmodel = "sim/file"\nmax-concurrent = 9\n')
    environ = {"FANFOLD_RPM": "10", "FANFOLD_TPM": "20", "FANFOLD_CONFIG": str(file)}
    joined, _ = options({"rpm": 100, "model": None}, environ=environ)
    assert (joined.rpm, joined.tpm, joined.model, joined.retries) == (100, 20, "sim/file", 4)
    assert joined.limits.concurrent == 9
    assert options({"sequential": True}, environ=environ)[0].limits.concurrent == 1, "the stronger level speaks for both"


@pytest.mark.parametrize(
    ("given", "environ", "message"),
    [
        ({"sequential": True, "max_concurrent": 5}, {}, r"--sequential: clashes with --max-concurrent"),
        ({}, {"FANFOLD_QUIET": "yes", "FANFOLD_VERBOSE": "1"}, "FANFOLD_QUIET: clashes with FANFOLD_VERBOSE"),
        ({"rpm": 0}, {}, "--rpm: a whole number from 1 is needed, not 0"),
        ({}, {"FANFOLD_RPM": "many"}, "FANFOLD_RPM: a whole number"),
        ({"timeout": 0}, {}, "--timeout: a number above 0"),
        ({"deadline": float("nan")}, {}, "--deadline"),
        ({}, {"FANFOLD_STREAM": "perhaps"}, "neither true nor false"),
    ],
)
def test_wrong_options_are_named_with_their_level(given, environ, message):
    with pytest.raises(PlanError, match=message):
        options(given, environ=environ)


def test_parameters_of_an_application_come_from_every_level_too(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text("rpm = 3\n[mealplan]\ndays = 2\nservings = 4\n[reviews]\nshares = 1\n")
    environ = {"FANFOLD_DAYS": "5", "FANFOLD_CONFIG": str(file)}
    joined, params = options({"diet": "vegan"}, environ=environ, also=("days", "servings", "diet"), section="mealplan")
    assert joined.rpm == 3 and params == {"diet": "vegan", "days": "5", "servings": 4}


def test_where_a_parameter_is_said(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text("\ufeffdays = 2\nservings = 4\n", "utf-8")
    places: dict[str, str] = {}
    environ = {"FANFOLD_DAYS": "5", "FANFOLD_CONFIG": str(file)}
    options({"diet": "vegan"}, environ=environ, also=("days", "servings", "diet"), places=places)
    assert places == {"diet": "--diet", "days": "FANFOLD_DAYS", "servings": f"{file}: servings"}


def test_a_config_file_in_another_encoding(tmp_path):
    (tmp_path / "c.toml").write_bytes(b'model = "caf\xe9"')
    with pytest.raises(PlanError, match=r"c\.toml: is not UTF-8 \(save it as UTF-8\)"):
        options({}, str(tmp_path / "c.toml"), {})


def test_wrong_config_files(tmp_path):
    for name, text, message in [
        ("a.toml", "rmp = 1", "did you mean 'rpm'"),
        ("b.toml", "= 1", "not valid TOML"),
        ("c.yaml", "- 1", "names and values"),
    ]:
        (tmp_path / name).write_text(text)
        with pytest.raises(PlanError, match=message):
            options({}, str(tmp_path / name), {})
    with pytest.raises(PlanError, match="cannot be read"):
        options({}, str(tmp_path / "none.toml"), {})


def test_no_silent_spending():
    assert default_model({}) == "sim/default"
    with pytest.raises(PlanError, match=r"no model is named, and OPENAI_API_KEY is set \(name one, e\.g\. --model openai/"):
        default_model({"OPENAI_API_KEY": "sk-secret"})


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("gpt-4o", "write e.g. openai/gpt-4o"), ("foo/bar", "unknown provider 'foo' .*openai/…, anthropic/…, google/…, sim/…"), ("openai/", "is not provider/name"),
    ],
)  # fmt: skip
def test_model_names(model, message):
    with pytest.raises(PlanError, match=message):
        split_model(model)
    assert split_model("openai/org/name") == ("openai", "org/name")
    assert split_model("anthropic/claude") == ("anthropic", "claude") and split_model("google/models/g") == ("google", "models/g")


def test_where_runs_are_kept(tmp_path):
    assert data_folder({"FANFOLD_HOME": str(tmp_path)}) == tmp_path
    assert str(data_folder({"XDG_DATA_HOME": "/x"})).endswith("fanfold")
