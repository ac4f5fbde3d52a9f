"""What a fit compared before it chose: variants of the Lagrangian and clocks, by the errors of left-out anchors.

And how `transport` moves the harvest's own rows, by the errors of held-back draws.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pipeline.clocks.bases import CALIBRATED, HOLD
from pipeline.evaluation.record import Kind

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
    counts as it does.
    """

    kind: Kind
    name: str
    error: float | None = None
    standard_error: float | None = None
    chosen: bool = False
    remark: str = ""


@dataclass(frozen=True)
class Compared:
    """The candidates of a fit, variants, clocks, own rows, each kind with the one in use marked.

    judged: whether any anchor was left out. caveats: sentences on what the comparison cannot say.
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
            if not c.name.startswith((CLOCK, OWN))
        )
        clocks = tuple(
            Row("clock", name, c.error, c.standard_error, c.chosen or name == surrogate.clock, c.remark)
            for c in surrogate.candidates
            if (name := c.name.removeprefix(CLOCK)) != c.name
        )
        judged = any(row.error is not None for row in (*variants, *clocks))
        if not any(row.chosen for row in clocks):
            clocks += (Row("clock", surrogate.clock, chosen=True, remark=_origin(surrogate, judged=bool(clocks))),)
        own = tuple(
            Row("own rows", name, c.error, c.standard_error, c.chosen, c.remark)
            for c in surrogate.candidates
            if (name := c.name.removeprefix(OWN)) != c.name
        )
        caveats = _caveats(surrogate, (*variants, *clocks), judged=judged)
        return cls((*variants, *clocks, *own), judged, caveats)

    def of_kind(self, kind: Kind) -> tuple[Row, ...]:
        """The candidates of one kind."""
        return tuple(row for row in self.rows if row.kind == kind)


def _origin(surrogate: "Surrogate", *, judged: bool) -> str:
    """Where a clock comes from that has no error of its own."""
    config = surrogate.config
    if config.clock not in ("auto", "learnt"):
        return "named in the settings"
    if surrogate.clock_base == CALIBRATED:
        return "calibrated by the frequencies of outcomes"
    if judged:
        return "the least skew within one standard error of the best"
    prior = "suggested by the anchors' range" if config.clock_prior == "auto" else "declared by clock_prior"
    return f"{prior}; its skew is estimated from lagged targets" if surrogate.clock != surrogate.clock_base else prior


def _caveats(surrogate: "Surrogate", rows: tuple[Row, ...], *, judged: bool) -> tuple[str, ...]:
    interior, named = len(surrogate.anchors) - 2, surrogate.config.clock not in ("auto", "learnt")
    if not judged and named and not any("left out" in row.remark for row in rows):
        return ("Variant and clock are named in the settings: nothing was compared.",)
    if not judged:
        why = "the anchors do not share their conditions" if interior else "there are only two"
        what, where = ("the choice", "variant, clock or clock_prior")
        if surrogate.clock_base == CALIBRATED:
            what, where = "the variant", "variant"
        return (
            f"No anchor could be left out, because {why}: {what} is a declared prior, not a finding. Name {where} "
            "where you know better, or harvest a third anchor with the same conditions.",
        )
    if interior == 1 and not named and surrogate.clock_base not in (HOLD, CALIBRATED):
        return (
            "One interior anchor tells how much a clock is skewed, but cannot tell its base: that the base is "
            f"{surrogate.clock_base} is a prior. A second interior anchor would tell.",
        )
    return ()
