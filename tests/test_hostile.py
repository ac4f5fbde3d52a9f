"""What a user writes on make's command line, or into params.yaml, is text: no shell and no make runs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.__main__ import asked_for
from pipeline.errors import ConfigurationError
from pipeline.stages.params import parse_config
from tests.paths import CHECKOUT
from tests.sweeps import SWEEPS, sweep_config, sweep_text, with_code, write_source

HOSTILE = [
    "x'; touch F; '",
    'x"; touch F; "',
    "$(touch F)",
    "$(shell touch F)",
    "${shell touch F}",
    "$$(touch F)",
    "`touch F`",
    "a b",
    "-h",
    "--help",
    "x\ntouch F\n",
    "x; touch F #",
    "x & touch F",
]


@pytest.fixture
def root(tmp_path) -> Path:
    """A folder with the Makefile, whose .venv is the Python of these tests, and a valid sweep."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "dvc.yaml"):
        shutil.copy(CHECKOUT / name, tmp_path)
    (tmp_path / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (tmp_path / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    (tmp_path / ".venv" / "installed").touch()
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "small.yaml").write_text(sweep_text(), encoding="utf-8")
    (tmp_path / "params.yaml").write_text(sweep_text(), encoding="utf-8")
    write_source(tmp_path)
    return tmp_path


def make(root: Path, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    """A real call of make; `given` by the environment."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    environment |= {"PYTHONPATH": str(CHECKOUT), "PREFECT_HOME": str(root / ".prefect"), "DVC_NO_ANALYTICS": "1"}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=root, env=environment | given, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(("target", "variable"), [("sweep", "SWEEP"), ("sweep", "HARVEST")])
def test_hostile_value_of_make_is_text(root, target, variable, text):
    for done in (make(root, target, f"{variable}={text}"), make(root, target, **{variable: text})):
        assert done.returncode == 2
        assert "error: " in done.stderr
        assert "Traceback" not in done.stderr
        assert not (root / "F").exists()
    assert (root / "params.yaml").read_text() == sweep_text()


@pytest.mark.parametrize(
    ("target", "variable", "others"),
    [
        ("sweep", "HELD_OUT", ["HARVEST=handed"]),
        ("run", "SWEEP", []),
        ("run", "ADD", []),
        ("run", "HELD_OUT", ["HARVEST=handed"]),
        ("run", "RUNNER", []),
        ("deploy", "PORT", []),
        ("test", "JOBS", []),
        ("compare", "METHODS", []),
        ("help", "BIN", []),
        ("install", "INSTALLED", []),
        ("help", "SHELL", []),
    ],
)
def test_every_other_value_is_text_too(root, target, variable, others):
    hostile = "x'; touch F; '\"; touch F; $(shell touch F) `touch F`; $(touch F)"
    done = make(root, target, f"{variable}={hostile}", *others)
    assert not (root / "F").exists()
    assert "Traceback" not in done.stderr
    assert (done.returncode == 0) is (variable in ("BIN", "INSTALLED", "SHELL"))  # these cannot be set


def test_hostile_python_is_a_name_that_does_not_exist(root):
    (root / ".venv" / "installed").unlink()
    done = make(root, "install", "PYTHON=x'; touch F; \"; touch F; $(shell touch F)")
    assert done.returncode == 2
    assert not (root / "F").exists()
    assert "x'; touch F;" in done.stderr  # what bash looked for


def test_value_of_make_with_a_space_still_arrives(root):
    (root / "sweeps" / "with space.yaml").write_text(sweep_text(), encoding="utf-8")
    assert make(root, "sweep", "SWEEP=with space").returncode == 0


def strings(node: object) -> list[str]:
    """All commands below a node of dvc.yaml."""
    if isinstance(node, dict):
        return [c for key, inner in node.items() for c in ([str(inner)] if key == "cmd" else strings(inner))]
    return []


def test_commands_of_dvc_take_nothing_from_params():
    commands = strings(yaml.safe_load((CHECKOUT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    assert len(commands) > 10
    assert not [command for command in commands if "${" in command.removeprefix("${python}")]


def test_makefile_hands_values_over_by_the_environment_alone():
    recipes = [line for line in (CHECKOUT / "Makefile").read_text(encoding="utf-8").splitlines() if line[:1] == "\t"]
    given = ("SWEEP", "HARVEST", "HELD_OUT", "ADD", "RUNNER", "METHODS", "JOBS", "PORT", "PYTHON", "FIRST", "COUNT")
    for line in recipes:
        for name in given:
            assert f"$({name})" not in line.replace(f"$(if $({name}),", "")


BAD = {
    "name": {"name": "x; touch F"},
    "value": {"sweep": {"values": [0.1, "0.5; touch F", 0.9], "anchors": [0.1, 0.9]}},
    "anchor": {"sweep": {"values": [0.1, 0.9], "anchors": ["$(touch F)", 0.9]}},
    "named value": {"sweep": {"values": ["a=0;touch F,b=0", "a=1,b=0", "a=0,b=1"], "anchors": []}},
    "name of a hyperparameter": {"sweep": {"values": ["a;touch F=0,b=0", "a=1,b=0", "a=0,b=1"], "anchors": []}},
    "retrained": {"retrain": {"networks": {"x; touch F": {"value": "0.5", "seed": 1}}}},
    "warm": {"warm": {"chains": {"x; touch F": ["0.1", "0.9"]}, "links": {"$(touch F)": "0.1"}}},
    "conditioned": {"conditioned": {"ranges": {"all": {"lowest": "$(touch F)", "highest": "0.9"}}}},
    "file": {"raw": {"bundled": ["x; touch F"]}},
    "interpreter": {"python": "touch F;"},
}


@pytest.mark.parametrize("sections", BAD.values(), ids=BAD)
def test_hostile_params_are_refused(sections):
    with pytest.raises(ConfigurationError):
        sweep_config(**sections)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "stage"),
    [("value", "train"), ("retrained", "retrain"), ("warm", "warm"), ("conditioned", "conditioned"), ("file", "raw"),
     ("interpreter", "train")],
)  # fmt: skip
def test_bare_dvc_runs_nothing_of_hostile_params(root, kind, stage):
    sections = with_code(SWEEPS["quantile_forecaster"] | BAD[kind])
    (root / "params.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")
    with pytest.raises(ConfigurationError):
        parse_config((root / "params.yaml").read_text(), "params.yaml")
    shutil.copytree(CHECKOUT / "pipeline", root / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    dvc = [sys.executable, "-m", "dvc"]
    for made in ("data", "networks/0.1"):  # what the stages wait for
        (root / "data" / sections["name"] / made).mkdir(parents=True)
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=root, env=environment, check=True)
    command = [*dvc, "repro", "--keep-going", "--single-item", stage]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode != 0
    assert ("Running stage" in done.stdout) is (kind != "interpreter"), done.stderr
    assert not list(root.glob("**/F"))


@pytest.mark.parametrize(
    ("source", "message"),
    [("", "at least 1"), ("a\nb", "line breaks"), ("a\x7f", "control"), ("x" * 300, "255 bytes"), ("a/" * 800, "1000")],
)
def test_path_that_no_file_system_has_is_refused(source, message):
    with pytest.raises(ConfigurationError, match=rf"(?s)ingest\.source.*{message}|control character"):
        sweep_config(ingest={"source": source})


@pytest.mark.parametrize("address", ["train@0.1", "../dvc.yaml:train@0.1"])
def test_stage_asks_dvc_what_it_is_about(monkeypatch, address):
    monkeypatch.setenv("DVC_STAGE", address)
    assert asked_for("train", None) == "0.1"
    assert asked_for("train", "0.9") == "0.9"
    with pytest.raises(ConfigurationError, match=r"harvest names nothing, and DVC_STAGE = .*write what it is about"):
        asked_for("harvest", None)


@pytest.mark.parametrize("address", ["", "train", "retrain@0.1", "x train@0.1"])
def test_stage_that_nobody_named_is_refused(monkeypatch, address):
    monkeypatch.setenv("DVC_STAGE", address)
    with pytest.raises(ConfigurationError, match="train names nothing"):
        asked_for("train", None)
