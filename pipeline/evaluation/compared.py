"""What a fit compared before it chose, by left-out anchors: variants, straight coordinates, clocks, orders.

And how `transport` moves the harvest's own rows, by the errors of held-back draws.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from pipeline.clocks.bases import CALIBRATED, HOLD
from pipeline.data.mesh import Grid, Mesh
from pipeline.evaluation.record_rows import Kind
from pipeline.surrogate.decide import STRAIGHT
from pipeline.surrogate.order import ORDER

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

CLOCK = "clock "
"""What a clock's name begins with in a fit's record."""
OWN = "own rows "
"""What the names of ways to move the harvest's own rows begin with; all other candidates are variants."""


@dataclass(frozen=True)
class Row:
    """A candidate. error: of the left-out anchors, in standardised units; None where it was not computed.

    standard_error: of the difference between its error and the best candidate's, where there is one. remark: why it
    counts as it does. hyperparameter: of a clock where there are several, the one whose clock it is; else None.
    """

    kind: Kind
    name: str
    error: float | None = None
    standard_error: float | None = None
    chosen: bool = False
    remark: str = ""
    hyperparameter: str | None = None

    @property
    def heading(self) -> str:
        """What it is a candidate for: the kind, or "clock of quantile"."""
        return self.kind if self.hyperparameter is None else f"{self.kind} of {self.hyperparameter}"


@dataclass(frozen=True)
class Compared:
    """The candidates of a fit, each kind with the ones in use marked.

    With several hyperparameters each has its clocks, and paths may be straight along some of them. judged: whether any
    anchor was left out to choose variant or clocks. caveats: sentences on what the comparison cannot say.
    """

    rows: tuple[Row, ...]
    judged: bool
    caveats: tuple[str, ...] = ()

    @classmethod
    def of(cls, surrogate: "Surrogate") -> Self:
        """The record of a fitted surrogate."""
        variants = tuple(
            Row("variant", c.name, c.error, c.standard_error, c.name == surrogate.config.variant, c.remark)
            for c in surrogate.candidates
            if not c.name.startswith((CLOCK, OWN, ORDER, STRAIGHT))
        )
        clocks = tuple(row for name in surrogate.clocks for row in _clocks(surrogate, name))
        judged = any(row.error is not None for row in (*variants, *clocks))
        caveats = _caveats(surrogate, (*variants, *clocks), judged=judged)
        straight = _of(surrogate, STRAIGHT, "straight along")
        others = (*_of(surrogate, ORDER, "order"), *_of(surrogate, OWN, "own rows"))
        return cls((*variants, *straight, *clocks, *others), judged, caveats)

    def of_kind(self, kind: Kind) -> tuple[Row, ...]:
        """The candidates of one kind."""
        return tuple(row for row in self.rows if row.kind == kind)


def _of(surrogate: "Surrogate", prefix: str, kind: Kind) -> tuple[Row, ...]:
    """The candidates whose names begin with a prefix, without it."""
    return tuple(
        Row(kind, c.name.removeprefix(prefix), c.error, c.standard_error, c.chosen, c.remark)
        for c in surrogate.candidates
        if c.name.startswith(prefix)
    )


def _clocks(surrogate: "Surrogate", name: str) -> tuple[Row, ...]:
    """The clocks of a hyperparameter that were compared, and the one in use where it has no error of its own."""
    several, used = len(surrogate.clocks) > 1, surrogate.clocks[name]
    of = name if several else None
    compared = _of(surrogate, f"{CLOCK}{name}: " if several else CLOCK, "clock")
    rows = tuple(replace(row, chosen=row.chosen or row.name == used, hyperparameter=of) for row in compared)
    if any(row.chosen for row in rows):
        return rows
    remark = _origin(surrogate, name, judged=bool(rows))
    return (*rows, Row("clock", used, chosen=True, remark=remark, hyperparameter=of))


def _bases(surrogate: "Surrogate") -> dict[str, str]:
    """The base of every hyperparameter's clock by its name."""
    return dict(zip(surrogate.clocks, surrogate.clock_base.split(", "), strict=True))


def _origin(surrogate: "Surrogate", name: str, *, judged: bool) -> str:
    """Where the clock of a hyperparameter comes from that has no error of its own."""
    config, base = surrogate.config.for_coordinate(name), _bases(surrogate)[name]
    if config.clock not in ("auto", "learnt"):
        return "named in the settings"
    if base == CALIBRATED:
        return "calibrated by the frequencies of outcomes"
    if judged:
        return "the least skew within one standard error of the best"
    prior = "suggested by the anchors' range" if config.clock_prior == "auto" else "declared by clock_prior"
    return f"{prior}; its skew is estimated from lagged targets" if surrogate.clocks[name] != base else prior


def _caveats(surrogate: "Surrogate", rows: tuple[Row, ...], *, judged: bool) -> tuple[str, ...]:
    config, mesh = surrogate.config, surrogate.mesh
    free = {n: base for n, base in _bases(surrogate).items() if config.for_coordinate(n).clock in ("auto", "learnt")}
    interior = {name: len(axis.values) - 2 for name, axis in zip(surrogate.clocks, mesh.axes, strict=True)}
    if not judged and not free and not any("left out" in row.remark for row in rows):
        return ("Variant and clock are named in the settings: nothing was compared.",)
    if not judged:
        what, where = ("the choice", "variant, clock or clock_prior")
        if all(base == CALIBRATED for base in _bases(surrogate).values()):
            what, where = ("the variant", "variant")
        why, remedy = _unjudged(mesh, interior=any(interior.values()))
        return (
            f"No anchor could be left out, because {why}: {what} is a declared prior, not a finding. Name {where} "
            f"where you know better, or harvest {remedy}.",
        )
    return tuple(
        sentence
        for name, base in free.items()
        if base not in (HOLD, CALIBRATED) and (sentence := _prior(name, base, interior[name], len(interior) > 1))
    )


def _unjudged(mesh: Mesh, *, interior: bool) -> tuple[str, str]:
    """Why no anchor could be left out, and what to harvest."""
    if not isinstance(mesh, Grid):
        return "they form no grid", "a full grid with three values of each hyperparameter"
    if interior:
        why = "the anchors do not share their conditions"
    else:
        why = "there are only two" if len(mesh.axes) == 1 else "there are only two values of each hyperparameter"
    what = "a third anchor" if len(mesh.axes) == 1 else "a third value of one of them"
    return why, f"{what} with the same conditions"


def _prior(name: str, base: str, interior: int, several: bool) -> str:
    """What the anchors cannot tell of a clock; "" where they can."""
    if interior > 1 or not (interior or several):
        return ""
    if not interior:
        return f"{name} has two values, which tell nothing of its clock: that it is {base} is a prior."
    one, clock = (f"One interior value of {name}", "its clock") if several else ("One interior anchor", "a clock")
    another = f"A second interior {'value' if several else 'anchor'}"
    return (
        f"{one} tells how much {clock} is skewed, but cannot tell its base: that the base is {base} is a prior. "
        f"{another} would tell."
    )
