"""A stage that is killed in a clone of its own finds its checkpoints again in the next working tree."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows.dvc_repo.graph import survey
from flows.dvc_repo.reproduce import StageError
from flows.workers.own_clone import Handover, run_in_clone
from pipeline.storage.stage_work import FOLDER
from tests.flows.conftest import commit

TWICE = """
stages:
  long:
    cmd: test -e .checkpoints/begun && cat params.yaml > done || { touch .checkpoints/begun; exit 1; }
    outs: [done]
"""


def call(root: Path, *command: str) -> None:
    subprocess.run(command, cwd=root, check=True, capture_output=True)


def test_checkpoints_outlive_the_working_tree_and_belong_to_one_params(toy, tmp_path_factory):
    (toy / "dvc.yaml").write_text(TWICE)
    (toy / "params.yaml").write_text("name: first\n")
    (toy / ".gitignore").write_text("/done\n/.dvc/tmp\n/.dvc/cache\n/.dvc/config.local\n")
    commit(toy)
    place = tmp_path_factory.mktemp("other")
    clone, remote = place / "clone", place / "remote"
    call(place, "git", "clone", "-q", str(toy), str(clone))
    for root in (toy, clone):
        call(root, sys.executable, "-m", "dvc", "remote", "add", "--local", "--default", "shared", str(remote))
    (long,) = survey().graph.stages
    first = Handover.of(long, toy, has_remote=True)
    (toy / "params.yaml").write_text("name: second\n")
    second = Handover.of(long, toy, has_remote=True)
    for handover in (first, second):  # that the first has begun is nothing to the second
        with pytest.raises(StageError):
            run_in_clone("long", handover, clone, force=False, say=lambda line: None)
    assert len(list((clone / FOLDER).glob("*/begun"))) == 2
    outcome, entry = run_in_clone("long", second, clone, force=False, say=lambda line: None)
    assert outcome.action == "ran"
    assert [out["path"] for out in entry["outs"]] == ["done"]
