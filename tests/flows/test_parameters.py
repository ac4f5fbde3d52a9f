import pytest
from pydantic import ValidationError

from flows.parameters import SweepRun


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sweep": "a", "harvest": "b"}, "sweep = 'a' and harvest = 'b': choose one of the two"),
        ({"held_out": [0.5]}, r"held_out = \[0.5\] belongs to a harvest"),
        ({"add": [0.5], "harvest": "b"}, r"add = \[0.5\] with harvest = 'b': nothing is trained there"),
        ({"max_parallel": 0}, "max_parallel\n.*greater than or equal to 1"),
        ({"swep": "a"}, "swep\n.*not permitted"),
    ],
)
def test_contradictions_are_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        SweepRun(**given)
