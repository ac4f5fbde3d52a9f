import json
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flows.dvc_repo.graph import survey
from flows.dvc_repo.reproduce import LockedError, StageError, reproduce, reproduce_all


def runs(toy) -> list[str]:
    return (toy / "ran.log").read_text().split()


def test_a_stage_runs_once(toy):
    outcome = reproduce("part@a", toy)
    assert (outcome.address, outcome.action) == ("part@a", "ran")
    assert reproduce("part@a", toy).action == "unchanged"
    assert runs(toy) == ["a"]


def test_several_stages_run_in_one_process(toy):
    parts = ["part@a", "part@b", "part@c"]
    reproduce("part@b", toy)
    outcomes = reproduce_all(parts, toy)
    assert [(o.address, o.action) for o in outcomes] == list(zip(parts, ["ran", "unchanged", "ran"], strict=True))
    assert [o.seconds > 0 for o in outcomes] == [True, False, True]
    assert runs(toy) == ["b", "a", "c"]
    assert survey().stale == {"whole", "broken"}


def test_a_failure_among_several_stops_none_of_the_others(toy):
    with pytest.raises(StageError, match=r"^stage broken failed:\n  said to stdout\n  said to stderr$"):
        reproduce_all(["part@a", "broken", "part@b"], toy)
    assert runs(toy) == ["a", "broken", "b"]
    assert survey().stale == {"part@c", "whole", "broken"}


def test_force_runs_it_again(toy):
    reproduce("part@a", toy)
    assert reproduce("part@a", toy, force=True).action == "ran"
    assert runs(toy) == ["a", "a"]


def test_an_equal_earlier_run_is_restored(toy):
    reproduce("part@a", toy)
    (toy / "part-a").unlink()
    assert reproduce("part@a", toy).action == "restored"
    assert (toy / "part-a").read_text() == "1\n"
    assert runs(toy) == ["a"]


def test_output_and_threads_are_handed_on(toy):
    lines: list[str] = []
    reproduce("part@a", toy, threads=3, say=lines.append)
    assert "OMP_NUM_THREADS=3" in lines


def test_a_failure_ends_with_the_stages_own_words(toy):
    with pytest.raises(StageError, match=r"^stage broken failed:\n  said to stdout\n  said to stderr$") as caught:
        reproduce("broken", toy)
    assert not isinstance(caught.value, LockedError)


def test_a_stage_that_said_nothing_fails_with_dvcs_words(toy):
    with pytest.raises(StageError, match=r"ERROR: .*part-a"):
        reproduce("whole", toy)


def test_a_killed_dvc_is_called_that(toy):
    (toy / "dvc.yaml").write_text("stages: {killed: {cmd: kill -9 $PPID}}")
    with pytest.raises(StageError, match="DVC was killed by signal 9; where nobody did so, the machine ran out of mem"):
        reproduce("killed", toy)


def test_the_repository_held_by_another(toy):
    from dvc.repo import Repo

    with Repo(str(toy)) as repo:
        repo.lock.lock()
        release = threading.Timer(5, repo.lock.unlock)  # longer than DVC waits by itself
        release.start()
        assert reproduce("part@a", toy).seconds > 5
        release.join()
    assert runs(toy) == ["a"]


def test_a_path_held_by_another(toy):
    holder = {"pid": os.getpid(), "cmd": "dvc repro"}
    (toy / ".dvc" / "tmp").mkdir()
    held = toy / ".dvc" / "tmp" / "rwlock"
    held.write_text(json.dumps({"write": {str(toy / "part-a"): holder}, "read": {}}))
    with pytest.raises(LockedError, match=re.escape("is busy, it is being blocked by")):
        reproduce("part@a", toy)
    held.unlink()
    assert reproduce("part@a", toy).action == "ran"


def test_a_stage_that_speaks_of_locks_is_not_locked(toy):
    definition = (toy / "dvc.yaml").read_text().replace("said to stderr", "Unable to acquire lock")
    (toy / "dvc.yaml").write_text(definition)
    with pytest.raises(StageError, match="Unable to acquire lock") as caught:
        reproduce("broken", toy)
    assert not isinstance(caught.value, LockedError)


@pytest.mark.slow
def test_nine_stages_on_four_slots_wait_for_one_another(toy):
    wide = re.sub(r"\[a, b, c\]", "[a, b, c, d, e, f, g, h, i]", (toy / "dvc.yaml").read_text())
    (toy / "dvc.yaml").write_text(wide)
    for content in ("1", "2"):
        (toy / "source").write_text(content)
        with ThreadPoolExecutor(4) as slots:
            outcomes = list(slots.map(lambda v: reproduce(f"part@{v}", toy), "abcdefghi"))
        assert [outcome.action for outcome in outcomes] == ["ran"] * 9
        assert {(toy / f"part-{v}").read_text() for v in "abcdefghi"} == {content}
    assert sorted(runs(toy)) == sorted("abcdefghi" * 2)
