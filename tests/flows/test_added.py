"""`make run ADD=`: the new network is trained, everything else comes from the cache."""

import re

import pytest
import yaml

pytestmark = pytest.mark.slow


def test_a_validation_names_a_value_that_add_trains(new_checkout):
    checkout = new_checkout()
    checkout.params()
    refused = checkout.flow("--add", "auto", check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: add = auto: ")
    assert "run `make run` first, or name a λ: ADD=0.3" in refused.stderr
    first = checkout.flow()
    assert re.search(r"^Next +the λ to train next is 0.5: it is the middle of the only two anchors", first.stdout, re.M)
    second = checkout.flow("--add", "auto")
    assert yaml.safe_load((checkout.root / "params.yaml").read_text())["sweep"] == {
        "values": [0.0, 0.25, 0.5, 1.0],
        "anchors": [0.0, 0.5, 1.0],
    }
    ran = re.findall(r"^(\S+) +ran ", second.stderr, re.M)
    assert [stage for stage in ran if "@" in stage] == ["train@0.5", "harvest@0.5"]
    assert "7 unchanged" in second.stdout
    assert checkout.is_clean()
