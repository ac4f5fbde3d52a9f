"""Loops and parts that are killed, and resumed: the result is that of work which nobody killed, bit by bit."""

import logging
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import BundleError, ConfigurationError
from pipeline.storage.checkpoint import Pace, kept_work, once, resumable
from pipeline.storage.checkpoint_files import clear_old
from pipeline.storage.stage_work import digest_of, environment, stage_work
from tests.mortal import EAGER, Killed, Mortal, killed_at

STEPS = 6


def walk(steps: int = STEPS) -> np.ndarray:
    """A random walk: of a generator, of torch's global one, and in a list."""
    generator, place = np.random.default_rng(0), np.zeros(2)
    seen: list[int] = []
    torch.manual_seed(0)
    for step in resumable(steps, generator=generator, place=place, seen=seen):
        place += [generator.normal(), torch.randn(()).item()]
        seen.append(step)
    assert seen == list(range(steps))
    return place


def journey() -> list[float]:
    """Two walks with parts before, between and after them; the second is a part itself."""
    generator = np.random.default_rng(1)
    first = once(lambda: generator.random(3), "first", generator=generator)
    one = walk()
    second = once(lambda: {"draw": float(generator.random()), "walk": walk(4)}, "second", generator=generator)
    third = once(lambda: (generator.random(), "end"), "third", generator=generator)
    return [*first, *one, second["draw"], *second["walk"], third[0], generator.random()]


@pytest.fixture
def home(tmp_path):
    return tmp_path / "checkpoints" / "work"


def taken_to(moments, home, key="key"):
    """The folder of work that was killed after so many moments."""
    with pytest.raises(Killed), kept_work(home, lambda: key, Mortal(moments=moments)):
        walk()
    return home / key


def test_without_work_loops_and_parts_just_run():
    assert journey() == journey()


@given(st.lists(st.integers(1, 14), max_size=4))
@settings(deadline=None, max_examples=40)
def test_the_result_is_the_same_wherever_and_however_often_it_was_killed(tmp_path_factory, moments):
    home = tmp_path_factory.mktemp("kept") / "work"
    assert killed_at(moments, home, journey) == journey()
    assert not home.exists()


def test_what_was_done_is_not_done_again(home):
    steps, computed = [], []

    def work():
        once(lambda: computed.append("part"), "part")
        for step in resumable(STEPS, steps=[]):
            steps.append(step)

    killed_at([2, 3], home, work)  # before step 0 is kept, then before step 2 is
    assert computed == ["part"]
    assert steps == [0, *[0, 1, 2], *[2, 3, 4, 5]]


def test_a_checkpoint_of_another_key_is_removed_and_not_used(home, caplog):
    other = taken_to(4, home, "other")
    assert any(other.iterdir())
    seen: list[int] = []
    with caplog.at_level(logging.INFO), kept_work(home, lambda: "key", Mortal(moments=100)):
        for step in resumable(3, seen=seen):
            seen.append(step)
        assert not other.exists()
    assert seen == [0, 1, 2]
    assert "other settings, data or code is removed" in caplog.text


@given(st.integers(0, 10_000), st.booleans())
@settings(deadline=None, max_examples=30)
def test_a_torn_or_corrupted_checkpoint_is_removed_and_not_used(tmp_path_factory, place, torn):
    home = tmp_path_factory.mktemp("kept") / "work"
    path = taken_to(4, home) / "running.safetensors"
    content = bytearray(path.read_bytes())
    place %= len(content)
    if torn:
        del content[place:]
    else:
        content[place] ^= 0xFF
    path.write_bytes(content)
    begun: list[int] = []
    with kept_work(home, lambda: "key", EAGER):
        for step in resumable(1, generator=np.random.default_rng(0), place=np.zeros(2), seen=begun):
            assert step == 0
            assert not path.exists()
        result = walk()
    np.testing.assert_array_equal(result, walk())


def test_a_torn_checkpoint_is_told_of_in_one_line(home, caplog):
    path = taken_to(4, home) / "running.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with kept_work(home, lambda: "key", EAGER):
        walk()
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.startswith("a checkpoint is not used: ")
    assert "corrupted" in line


def test_a_checkpoint_of_other_parts_is_refused_once(home):
    taken_to(4, home)
    refused = pytest.raises(BundleError, match=r"the checkpoint of training \['other'\] does not fit it.*is removed")
    with kept_work(home, lambda: "key", EAGER), refused:
        next(resumable(3, other=[]))
    with kept_work(home, lambda: "key", EAGER):
        assert next(resumable(3, other=[])) == 0


def test_state_that_cannot_be_put_back_is_refused_before_anything_runs():
    with pytest.raises(ConfigurationError, match=r"best = 0\.5, a float, cannot be put back"):
        resumable(3, best=0.5)


def test_work_that_fails_keeps_its_checkpoints(home):
    def work(last):
        with kept_work(home, lambda: "key", EAGER):
            return [step for step in resumable(4, kept=[]) if 1 / (last - step)]

    with pytest.raises(ZeroDivisionError):
        work(2)
    assert work(-1) == [2, 3]


def test_a_loop_that_ends_by_break_ends_there_again(home):
    def work():
        done: list[int] = []
        for step in resumable(100, done=done):
            if len(done) >= 5:
                break
            done.append(step)
        return done

    assert killed_at([3, 2], home, work) == [0, 1, 2, 3, 4]


def test_where_nothing_can_be_written_the_work_goes_on(home, caplog):
    home.parent.mkdir(parents=True)
    blocked = home.parent / "file"
    blocked.write_text("")
    with kept_work(blocked / "work", lambda: "key", EAGER):
        result = walk()
    np.testing.assert_array_equal(result, walk())
    assert [r.getMessage() for r in caplog.records if "no checkpoint can be written" in r.getMessage()]


def test_seconds_go_on_where_they_were(home):
    def sleep(pace):
        with kept_work(home, lambda: "key", pace):
            for _ in resumable(4, kept=[]):
                time.sleep(0.2)

    with pytest.raises(Killed):
        sleep(Mortal(moments=2))
    with kept_work(home, lambda: "key", EAGER) as work:
        next(resumable(4, kept=[]))
        assert 0.2 <= work.seconds < 0.4


@given(st.floats(1e-4, 0.02), st.floats(1.0, 3600.0))
def test_checkpoints_cost_little_and_a_kill_too(cost, stage):
    pace, now, last = Pace(), 0.0, 0.0
    costs: list[float] = []
    lost: list[float] = []
    while now < stage:
        now += stage / 2000
        if pace.is_due(now - last, now, costs):
            lost.append(now - last)
            last = now
            costs.append(cost)
    assert sum(costs) <= 0.02 * stage + 2 * cost
    ends = np.cumsum(lost)
    kept = ends[ends <= 0.9 * stage].max(initial=0.0)
    assert 0.9 * stage - kept <= max(0.15 * stage, 0.5, 52 * cost)


def test_checkpoints_that_nobody_continues_are_removed_after_a_fortnight(tmp_path):
    old, new = (taken_to(3, tmp_path / name) / "running.safetensors" for name in ("old", "new"))
    long_ago = time.time() - 15 * 86_400
    os.utime(old, (long_ago, long_ago))
    os.utime(old.parent, (long_ago, long_ago))
    os.utime(old.parent.parent, (long_ago, long_ago))
    clear_old(tmp_path)
    assert new.exists()
    assert not (tmp_path / "old").exists()


def steps_of_stage(root, name="a", rate=0.1, last=None):
    """The steps that a stage takes; in step `last` it is killed, with all before it kept."""
    seen = []
    with stage_work(root, Path(name), {"rate": rate}, [Path("data")]) as work:
        work._pace = EAGER
        for step in resumable(3, kept=[]):
            seen.append(step)
            if step == last:
                raise Killed
    return seen


@pytest.fixture
def killed(tmp_path):
    """A checkout with a stage that was killed in its second step of three."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("1")
    with pytest.raises(Killed):
        steps_of_stage(tmp_path, last=1)
    return tmp_path


def test_a_stage_continues_where_it_was(killed):
    assert steps_of_stage(killed) == [1, 2]
    assert not (killed / ".checkpoints" / "a").exists()


def test_a_stage_begins_again_with_other_settings(killed):
    assert steps_of_stage(killed, rate=0.2) == [0, 1, 2]


def test_a_stage_begins_again_with_other_data(killed):
    (killed / "data" / "file").write_text("2")
    assert steps_of_stage(killed) == [0, 1, 2]


def test_another_stage_has_a_work_of_its_own(killed):
    assert steps_of_stage(killed, name="b") == [0, 1, 2]
    assert steps_of_stage(killed) == [1, 2]


def test_the_digest_holds_for_this_environment_and_code_alone(tmp_path):
    assert digest_of({}, []) == digest_of({}, [])
    assert {"python", "packages", "threads", "machine", "devices"} == set(environment())
    assert any(name.startswith("torch-") for name in environment()["packages"])
    assert digest_of({"a": 1}, []) != digest_of({"a": 2}, [])
