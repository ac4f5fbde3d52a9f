import json

import pytest

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
