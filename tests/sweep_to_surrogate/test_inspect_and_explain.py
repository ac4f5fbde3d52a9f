import json

import numpy as np
import pytest

from pipeline.surrogate.barriers import Barrier, Mixture
from pipeline.surrogate.regions import Region
from tests.sweep_to_surrogate.conftest import CHAMPION


def test_inspect_says_what_the_champion_is(call, fitted_surrogate):
    done = call("inspect", CHAMPION, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["model"], told["version"]) == ("semicircles", 1)
    assert (told["digest"], told["anchors"]) == (fitted_surrogate.digest, [0.0, 0.5, 1.0])
    assert told["range"] == {"s": [0.0, 1.0]}
    assert told["units"] == {"category": "", "east": "m", "north": "m"}
    assert told["scores"] is None  # the run of this test keeps no figures
    text = call("inspect", CHAMPION).stdout
    assert "semicircles, version 1; digest " in text
    assert "anchors: 0, 0.5, 1" in text
    assert "no certificate" in text


def test_inspect_shows_regions_and_scores(call, fitted_surrogate, tmp_path):
    regions = (Region(0.0, 0.5, "trusted", ("tested at 0.25",)), Region(0.5, 1.0, "untested", ("nothing is held out",)))
    fitted_surrogate.certified(regions).save(tmp_path / "certified")
    text = call("inspect", tmp_path / "certified").stdout
    assert "tested at 0.25" in text
    assert "untested" in text
    assert "bundle; digest" in text
    told = json.loads(call("inspect", tmp_path / "certified", "--json").stdout)
    assert [region["status"] for region in told["certificate"]] == ["trusted", "untested"]


RIDGE = tuple(Mixture(share, at, 0.0, 9.0, 8.0, 0.1) for share, at in ((0.25, 0.125), (0.5, 0.25), (0.75, 0.375)))
SOUND = Barrier((0.5, 1.0), "reward", 2, (Mixture(0.5, 0.75, 9.5, 9.0, 8.0, 0.1),))
BROKEN = {
    "one end below a λ, the other above": (
        (-1.0, 3.0),
        "the network of 0 below 0.125 and the network of 0.5 above",
        (0.0, 0.5),
    ),
    "the other way round": ((1.0, -1.0), "the network of 0.5 below 0.25 and the network of 0 above", (0.5, 0.0)),
    "the left end everywhere": ((-2.0, -1.0), "the network of 0", (0.0, 0.0)),
    "the right end everywhere": ((1.0, 2.0), "the network of 0.5", (0.5, 0.5)),
}
"""The right end's advantage at both ends of the interval, what is said of it, and who answers at 0.05 and 0.45."""


@pytest.mark.parametrize(("advantage", "served", "answering"), BROKEN.values(), ids=BROKEN)
def test_inspect_says_what_a_broken_interval_is_answered_by(
    call, fitted_surrogate, tmp_path, advantage, served, answering
):
    broken = fitted_surrogate.with_barriers([Barrier((0.0, 0.5), "reward", 2, RIDGE, advantage), SOUND])
    broken.save(tmp_path / "broken")
    done = call("inspect", tmp_path / "broken")
    assert done.exit_code == 0, done.output
    (line,) = [line for line in done.stdout.splitlines() if "broken" in line]
    assert line == f"broken between 0 and 0.5: served is {served}; train 0.25 to mend it"
    told = json.loads(call("inspect", tmp_path / "broken", "--json").stdout)
    assert told["broken_intervals"] == [{"anchors": [0.0, 0.5], "served": served, "train_at": 0.25}]
    assert told["barriers_checked"]
    for value, anchor in zip((0.05, 0.45), answering, strict=True):  # what is told is what answers
        with pytest.warns(UserWarning, match=r"broken between 0 and 0\.5"):
            found = broken.sample([[1.0]], value, seed=3)
        np.testing.assert_array_equal(found, broken.sample([[1.0]], anchor, seed=3))


def test_inspect_says_whether_broken_intervals_were_looked_for(call, bundle, fitted_surrogate, tmp_path):
    assert "broken intervals were not looked for" in call("inspect", bundle).stdout
    assert json.loads(call("inspect", bundle, "--json").stdout)["barriers_checked"] is False
    fitted_surrogate.with_barriers([Barrier((0.0, 0.5), "reward", 2, ()), SOUND]).save(tmp_path / "sound")
    text = call("inspect", tmp_path / "sound").stdout
    assert "no interval is broken" in text
    told = json.loads(call("inspect", tmp_path / "sound", "--json").stdout)
    assert (told["broken_intervals"], told["barriers_checked"]) == ([], True)


def test_explain_shows_a_table_and_draws_a_picture(call, bundle, conditions, tmp_path):
    done = call(
        "explain", bundle, "--conditions", conditions, "--row", 1, "--steps", 5, "--png", tmp_path / "course.png"
    )
    assert done.exit_code == 0, done.output
    assert "at category = 3" in done.stdout
    assert done.stdout.count("anchor") == 3
    assert "east [m]" in done.stdout
    assert any(block in done.stdout for block in "▁█")
    assert (tmp_path / "course.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--row", 7), "has 5 rows; there is no row 7"),
        (("--at", "s=0.5"), "fix all but one of them"),
        (("--at", "s=0.5,0.6"), "--at gives ['s'] more than one value"),
    ],
)
def test_what_cannot_be_explained_is_one_line(call, bundle, conditions, options, message):
    done = call("explain", bundle, "--conditions", conditions, *options)
    assert (done.exit_code, done.stdout) == (1, "")
    assert message in done.stderr
