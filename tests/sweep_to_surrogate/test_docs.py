"""What docs/commands.md and docs/consumers.md tell to type works, on a champion that the stages made."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from tests.paths import CHECKOUT
from tests.sweeps import make_champion, sweep_config, write_source

pytestmark = pytest.mark.slow
BLOCK = re.compile(r"```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)
COMMAND = "sweep-to-surrogate "
FIT = {"variant": "K_I", "clock": "linear", "map_steps": 50, "device": "cpu"}
GATE = [{"metric": "tested_values", "comparison": ">=", "limit": 1}]


def blocks(name, language):
    text = (CHECKOUT / "docs" / name).read_text(encoding="utf-8")
    return [found["text"] for found in BLOCK.finditer(text) if found["language"] == language]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A folder in which the champion of the semicircles is registered, under their name."""
    root = tmp_path_factory.mktemp("checkout")
    write_source(root)
    make_champion(sweep_config("semicircles", fit=FIT, gates=GATE, register={"model": "semicircles"}), root)
    return root


@pytest.fixture(scope="module")
def run(checkout):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    environment |= {"PYTHONPATH": str(CHECKOUT), "MLFLOW_TRACKING_URI": f"sqlite:///{checkout / 'mlflow.db'}"}

    def call(*command):
        done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def lines_of_commands():
    lines = "".join(blocks("commands.md", "sh")).splitlines()
    return [line for line in lines if line.startswith(COMMAND) and "--serve" not in line]


def test_every_command_is_there():
    words = {line.split()[1] for line in lines_of_commands()}
    assert {"sample", "inspect", "explain", "recommend", "export", "page"} <= words


def test_the_commands(checkout, run):
    (table,) = [line for line in "".join(blocks("commands.md", "sh")).splitlines() if line.startswith("printf")]
    run("sh", "-c", table)
    for line in lines_of_commands():
        assert run(sys.executable, "-m", "sweep_to_surrogate", *shlex.split(line.removeprefix(COMMAND))), line
    assert (checkout / "y.parquet").is_file()
    assert (checkout / "own.html").is_file()


def test_the_consumers_python(checkout, run):
    download = "import mlflow\nmlflow.artifacts.download_artifacts('models:/semicircles@champion', dst_path='model')\n"
    run(sys.executable, "-c", download)
    for line in "".join(blocks("consumers.md", "sh")).splitlines():
        if line.startswith(COMMAND):
            run(sys.executable, "-m", "sweep_to_surrogate", *shlex.split(line.removeprefix(COMMAND)))
    *first, _ = blocks("consumers.md", "python")  # the last one deletes a tag of a version that was rolled back
    run(sys.executable, "-c", "\n".join(first))
