"""What the figures recommend: the surrogate, or a plain method that does as well."""

from dataclasses import dataclass

from pipeline.evaluation.methods.catalog import by_name
from pipeline.evaluation.methods.floor import METHOD as FLOOR
from pipeline.evaluation.methods.method import Method
from pipeline.evaluation.scores import SURROGATE, Evaluation
from pipeline.evaluation.standings import Standing, standings

MARGIN = 0.03
"""The part of the surrogate's error below which a smaller one is no reason to take another method."""


@dataclass(frozen=True)
class Recommendation:
    """method: its name. sentence: why, with a full stop."""

    method: str
    sentence: str


def recommend(evaluation: Evaluation) -> Recommendation | None:
    """From the tested λ of an evaluation; None where there are none.

    A quick method that is better beyond the noise, by MARGIN or more, is recommended, unless the surrogate is at the
    floor; an unmoved anchor also where it cannot be told from the surrogate, since it costs nothing; else the
    surrogate. Where draws are too few for an interval, a smaller error by MARGIN counts.
    """
    known, found = by_name(), standings(evaluation)
    if not found:
        return None
    rivals = [(known[s.method], s) for s in found if _is_rival(known[s.method])]
    own = next(s for s in found if s.method == SURROGATE)

    def label(method: Method) -> str:
        return method.label_for(len(evaluation.names))

    at_floor = FLOOR.name in evaluation.methods and own.mean <= evaluation.mean_error(FLOOR.name)
    better = [] if at_floor else [(m, s) for m, s in rivals if _is_ahead(s, own)]
    if better:
        method, standing = min(better, key=lambda entry: entry[1].mean)
        return Recommendation(
            method.name,
            f"These data recommend another method: {label(method)}, whose mean {evaluation.measure} is "
            f"{standing.mean:.4g}, beside {own.mean:.4g} of the surrogate.",
        )
    still = [(m, s) for m, s in rivals if m.unmoved and not _is_behind(s, own)]
    if still:
        method, standing = min(still, key=lambda entry: entry[1].mean)
        return Recommendation(
            method.name,
            f"These data recommend no surrogate: {label(method)} ({standing.mean:.4g}) cannot be told from it "
            f"({own.mean:.4g}).",
        )
    alike = [label(m) for m, s in rivals if not _is_behind(s, own)]
    return Recommendation(
        SURROGATE,
        f"The surrogate is recommended; as good, as far as these data tell: {', '.join(alike)}."
        if alike
        else "The surrogate is recommended: every quick method is worse.",
    )


def _is_rival(method: Method) -> bool:
    return method.role == "baseline" and method.cost == "quick"


def _is_ahead(standing: Standing, own: Standing) -> bool:
    """Whether a method is better than the surrogate by MARGIN, and beyond the noise where that is known."""
    return standing.verdict in ("better", "too few draws") and standing.mean < (1 - MARGIN) * own.mean


def _is_behind(standing: Standing, own: Standing) -> bool:
    """Whether a method is worse than the surrogate, beyond the noise where that is known."""
    return standing.verdict == "worse" or (standing.verdict == "too few draws" and standing.mean > own.mean)
