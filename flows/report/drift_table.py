"""What a check for drift found, as a table in Markdown, and as its rows."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch comes with it: seconds, for the terminal of every run
    from pipeline.evaluation.drift import Drift, Figure

COLUMNS = ("λ", "registered", "fresh", "ratio", "by chance up to", "spread", "verdict")


def as_markdown(found: "Drift") -> str:
    """The verdict, the figures of every λ, and what was sampled."""
    table = [COLUMNS, tuple("---" for _ in COLUMNS), *(row_of(figure) for figure in found.figures)]
    lines = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([found.verdict, "", *lines, "", f"{found.measure}, on {found.sampled}; seed {found.seed}."]) + "\n"


def row_of(figure: "Figure") -> tuple[str, ...]:
    """A row of the table. By chance: what the registered error may come to. Spread: of the truth, over the former."""
    chance = "" if figure.margin is None else f"{figure.registered + figure.margin:.4g}"
    return (
        figure.value,
        f"{figure.registered:.4g}",
        f"{figure.fresh:.4g}",
        f"{figure.ratio:.3g}",
        chance,
        "" if figure.spread is None else f"× {figure.spread:.3g}",
        "drifted" if figure.drifted else "as registered",
    )
