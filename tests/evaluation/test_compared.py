"""What the fit compared, as the record and the report tell it."""

import dataclasses

import pytest

from pipeline.clocks.clock import Clock
from pipeline.evaluation.compared import Compared, Row
from pipeline.surrogate.cells import make_mesh
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.fitted import Candidate
from tests.evaluation.oracles import ConstantVelocity

JUDGED = (
    Candidate("K_I", 0.5, 0.02),
    Candidate("K_theta-U", 0.3, 0.0, chosen=True),
    Candidate("clock linear", 0.3),
    Candidate("clock hold", 0.9),
    Candidate("clock skewed linear", 0.29),
)
PRIOR = (Candidate("K_I", chosen=True, remark="no anchor can be left out: declared prior"),)


def compared(candidates=JUDGED, anchors=(0.0, 0.5, 1.0), in_use="linear", base="linear", **settings):
    """Of a surrogate whose clock in use is `in_use`, of the given base; settings: of its configuration."""
    variant = next(c.name for c in candidates if c.chosen)
    config = SurrogateConfig.model_validate({"variant": variant, **settings})
    surrogate = ConstantVelocity(candidates=candidates, anchors=anchors, clock=in_use, clock_base=base, config=config)
    return Compared.of(surrogate)


def test_variants_and_clocks_stand_apart_and_one_of_each_is_chosen():
    found = compared()
    assert found.of_kind("variant") == (
        Row("variant", "K_I", 0.5, 0.02),
        Row("variant", "K_theta-U", 0.3, 0.0, chosen=True),
    )
    assert [row.name for row in found.of_kind("clock")] == ["linear", "hold", "skewed linear"]
    assert [row.name for row in found.rows if row.chosen] == ["K_theta-U", "linear"]
    assert found.judged


def test_ways_to_move_own_rows_stand_apart_and_judge_no_variant():
    own = (Candidate("own rows mapped", 0.2, 0.01), Candidate("own rows half way", 0.1, 0.0, chosen=True))
    found = compared(JUDGED + own)
    assert found.of_kind("own rows") == (
        Row("own rows", "mapped", 0.2, 0.01),
        Row("own rows", "half way", 0.1, 0.0, chosen=True),
    )
    assert (found.of_kind("variant"), found.of_kind("clock")) == tuple(map(compared().of_kind, ("variant", "clock")))
    assert not compared(PRIOR + own, (0.1, 0.9)).judged


def test_a_clock_in_use_without_an_error_of_its_own_is_listed():
    (row,) = [row for row in compared(in_use="skewed log", base="log").of_kind("clock") if row.chosen]
    assert (row.name, row.error) == ("skewed log", None)
    assert "one standard error" in row.remark


@pytest.mark.parametrize(
    ("settings", "in_use", "remark"),
    [
        ({}, "logit", "suggested by the anchors' range"),
        ({"clock_prior": "logit"}, "logit", "declared by clock_prior"),
        ({}, "skewed logit", "suggested by the anchors' range; its skew is estimated from lagged targets"),
        ({"clock": "logit"}, "logit", "named in the settings"),
    ],
)
def test_two_anchors_leave_a_declared_prior(settings, in_use, remark):
    found = compared(PRIOR, (0.1, 0.9), in_use, "logit", **settings)
    assert not found.judged
    (caveat,) = found.caveats
    assert "there are only two" in caveat
    assert "declared prior, not a finding" in caveat
    assert found.of_kind("clock") == (Row("clock", in_use, chosen=True, remark=remark),)


def test_a_calibrated_clock_is_no_prior():
    found = compared(PRIOR, (0.1, 0.9), "calibrated", "calibrated")
    (caveat,) = found.caveats
    assert "the variant is a declared prior" in caveat
    assert "clock" not in caveat
    (row,) = found.of_kind("clock")
    assert row == Row("clock", "calibrated", chosen=True, remark="calibrated by the frequencies of outcomes")
    assert compared(in_use="calibrated", base="calibrated").caveats == ()


def test_anchors_that_share_no_conditions_leave_a_declared_prior():
    (caveat,) = compared(PRIOR).caveats
    assert "do not share their conditions" in caveat


@pytest.mark.parametrize(("clock", "said"), [("linear", "nothing was compared"), ("auto", "declared prior")])
def test_what_is_named_is_not_called_a_prior(clock, said):
    named = (Candidate("K_I", chosen=True, remark="named"),)
    surrogate = ConstantVelocity(candidates=named, config=SurrogateConfig(variant="K_I", clock=clock))
    (caveat,) = Compared.of(surrogate).caveats
    assert said in caveat


@pytest.mark.parametrize(("anchors", "said"), [((0.0, 0.5, 1.0), True), ((0.0, 0.3, 0.6, 1.0), False)])
def test_one_interior_anchor_cannot_tell_the_base(anchors, said):
    caveats = compared(anchors=anchors).caveats
    assert len(caveats) == said
    assert all("cannot tell its base" in caveat and "base is linear is a prior" in caveat for caveat in caveats)


def test_a_named_clock_and_a_held_one_have_no_base_to_tell():
    assert compared(in_use="hold", base="hold").caveats == ()
    named = SurrogateConfig(variant="K_theta-U", clock="linear")
    assert Compared.of(ConstantVelocity(candidates=JUDGED[:2], config=named)).caveats == ()


def test_marks_of_the_fit_itself_count():
    marked = (*JUDGED[:2], dataclasses.replace(JUDGED[2], chosen=True))
    assert [r.name for r in compared(marked, in_use="linear, by another name").rows if r.chosen] == [
        "K_theta-U",
        "linear",
    ]


NINE = [(t, r) for t in (0.0, 0.5, 1.0) for r in (0.0, 1.0, 2.0)]


@dataclasses.dataclass(frozen=True)
class Two(ConstantVelocity):
    """A surrogate of two hyperparameters, as far as it is asked what was compared."""

    vertices: tuple = tuple(NINE)
    clock_base: str = "linear, log"

    @property
    def clocks(self):
        return {"turn": "skewed linear", "radius": "log"}

    @property
    def mesh(self):
        return make_mesh(self.vertices, list(self.clocks), [Clock("linear", (0.0, 2.0))] * 2, (0, 1))


LINES = (
    Candidate("K_I", 0.5, 0.02),
    Candidate("K_theta-U", 0.3, 0.0, chosen=True),
    Candidate("straight along radius", 0.1, 0.0, chosen=True, remark="as good as the best"),
    Candidate("clock turn: linear", 0.4),
    Candidate("clock turn: skewed linear", 0.29),
    Candidate("clock radius: hold", 0.9),
    Candidate("order turn, radius", 0.2, chosen=True, remark="nested the other way, points differ"),
    Candidate("order radius, turn", 0.3),
)


def test_every_hyperparameter_has_its_clocks_and_orders_stand_apart():
    found = Compared.of(Two(candidates=LINES))
    assert [row.name for row in found.of_kind("variant")] == ["K_I", "K_theta-U"]
    assert found.of_kind("straight along") == (
        Row("straight along", "radius", 0.1, 0.0, chosen=True, remark="as good as the best"),
    )
    clocks = found.of_kind("clock")
    assert [(row.heading, row.name, row.chosen) for row in clocks] == [
        ("clock of turn", "linear", False),
        ("clock of turn", "skewed linear", True),
        ("clock of radius", "hold", False),
        ("clock of radius", "log", True),
    ]
    assert found.of_kind("order") == (
        Row("order", "turn, radius", 0.2, chosen=True, remark="nested the other way, points differ"),
        Row("order", "radius, turn", 0.3),
    )
    assert [row.heading for row in found.of_kind("order")] == ["order", "order"]
    assert found.judged


def test_caveats_name_the_hyperparameter():
    turn, radius = Compared.of(Two(candidates=LINES)).caveats
    assert turn.startswith("One interior value of turn tells how much its clock is skewed")
    assert "that the base is log is a prior" in radius
    six = tuple(v for v in NINE if v[1] < 2)
    turn, radius = Compared.of(Two(candidates=LINES, vertices=six)).caveats
    assert radius == "radius has two values, which tell nothing of its clock: that it is log is a prior."
    named = SurrogateConfig(variant="K_theta-U", clocks={"turn": "linear", "radius": "log"})
    assert Compared.of(Two(candidates=LINES, config=named)).caveats == ()


@pytest.mark.parametrize(
    ("vertices", "why"),
    [
        (((0.0, 0.0), (1.0, 0.0), (0.0, 2.0)), "they form no grid"),
        (((0.0, 0.0), (1.0, 0.0), (0.0, 2.0), (1.0, 2.0)), "there are only two values of each hyperparameter"),
        (tuple(NINE), "the anchors do not share their conditions"),
    ],
)
def test_without_lines_to_compare_on_all_is_a_prior(vertices, why):
    (caveat,) = Compared.of(Two(candidates=PRIOR, vertices=vertices)).caveats
    assert f"No anchor could be left out, because {why}: the choice is a declared prior" in caveat
