"""Temporary working trees beside a clone: what killed processes left goes, what is in use stays."""

import subprocess
import sys

import pytest

from flows.workers.worktree import FOLDER, GitError, changed_files, head, worktree
from tests.flows.waiting import wait_until

HOLD = """
import sys, time
from pathlib import Path
from flows.workers.worktree import head, worktree
with worktree(Path.cwd(), head(Path.cwd())):
    print("held", flush=True)
    time.sleep(60)
"""


def trees(clone):
    return [path for path in (clone / FOLDER).iterdir() if path.is_dir()]


def test_a_tree_has_the_commit_and_is_gone_afterwards(toy):
    (toy / "source").write_text("changed")
    assert changed_files(toy) == ("source",)
    with worktree(toy, head(toy)) as tree:
        assert (tree / "source").read_text() == "1\n"
    assert not trees(toy)


def test_a_living_processs_tree_is_kept_and_a_killed_ones_removed(toy):
    with subprocess.Popen([sys.executable, "-c", HOLD], cwd=toy, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        (held,) = trees(toy)
        with worktree(toy, head(toy)):
            assert held.is_dir()
        process.kill()
    wait_until(lambda: process.returncode is not None, 10)
    with worktree(toy, head(toy)) as tree:
        assert trees(toy) == [tree]
    assert not trees(toy)


def test_a_commit_that_nobody_has_is_refused(toy):
    with (
        pytest.raises(GitError, match=r"has no commit 0{40}, nor have the repositories .*git push"),
        worktree(toy, "0" * 40),
    ):
        pass
