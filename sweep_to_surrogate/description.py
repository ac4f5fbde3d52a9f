"""A model, and the course of its outputs along λ, in a terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from pipeline.consumers.explain import Course, sparkline
from pipeline.data.schema import Schema
from sweep_to_surrogate.tables import print_table, shown

if TYPE_CHECKING:
    from pipeline.data.schema import Column

MOST_OUTPUTS = 4
"""Outputs that the table of a course has; sparklines show twice as many more."""
MOST_VALUES = 11


def print_facts(told: Mapping[str, Any]) -> None:
    """What `pipeline.registry.facts.facts` tells."""
    name = "bundle" if told["model"] is None else f"{told['model']}, version {told['version']}"
    typer.echo(f"{name}; digest {told['digest']}")
    kind = "one output a condition" if told["deterministic"] else "draws"
    ends = "the anchors' networks" if told["networks"] else "samples of the anchors, without networks"
    typer.echo(f"{kind}, from {ends}; variant {told['variant']}, clock {told['clock']}")
    for hyperparameter, (low, high) in told["range"].items():
        typer.echo(f"{hyperparameter}: from {low:g} to {high:g}")
    typer.echo(f"anchors: {', '.join(map(_anchor, told['anchors']))}")
    header = ("column", "role", "kind", "units", "lower", "upper", "categories")
    lines = [
        (c["name"], role[:-1], c["kind"], c["units"], c["lower"], c["upper"], ", ".join(c.get("categories", ())))
        for role in ("conditions", "outputs")
        for c in told[role]
    ]
    print_table(header, lines)
    _print_certificate(told)
    _print_broken(told)
    if (scores := told["scores"]) is not None:
        print_table(
            ("method", scores["measure"]), list(scores["mean_errors"].items()), "errors in the mean over held-out λ"
        )
        print_table(("λ", scores["measure"]), list(scores["at_held_out"].items()), "the surrogate's at each")


def _print_certificate(told: Mapping[str, Any]) -> None:
    regions = told["certificate"]
    if not regions:
        typer.echo("no certificate: validation has not said where it can be trusted")
        return
    lines = [(r["low"], r["high"], r["status"], "; ".join((*r["reasons"], *_doubts(r)))) for r in regions]
    print_table(("from", "to", "certificate", "why"), lines)


def _print_broken(told: Mapping[str, Any]) -> None:
    """Where one network answers alone; whether that was looked for, where networks could be mixed."""
    for interval in told["broken_intervals"]:
        low, high = interval["anchors"]
        mend = "" if interval["train_at"] is None else f"; train {interval['train_at']:g} to mend it"
        typer.echo(f"broken between {low:g} and {high:g}: served is {interval['served']}{mend}")
    if not told["broken_intervals"] and told["networks"]:
        typer.echo("no interval is broken" if told["barriers_checked"] else "broken intervals were not looked for")


def _doubts(region: Mapping[str, Any]) -> list[str]:
    return [f"not at {doubt['cluster']['name']}: {', '.join(doubt['reasons'])}" for doubt in region["doubts"]]


def _anchor(anchor: Any) -> str:
    """A number, or a mapping of names."""
    return ", ".join(f"{n}={v:g}" for n, v in anchor.items()).join("()") if isinstance(anchor, dict) else f"{anchor:g}"


def print_course(course: Course, schema: Schema) -> None:
    """A table of some λ, and a line of blocks an output."""
    given = [f"{c.name} = {_value(c, v)}" for c, v in zip(schema.conditions, course.condition.tolist(), strict=True)]
    given += [f"{name} = {value:g}" for name, value in course.fixed.items()]
    typer.echo(f"at {', '.join(given[:8]) or 'no condition'}{', …' if len(given) > 8 else ''}")
    columns = schema.outputs[:MOST_OUTPUTS]
    inside = np.isin(course.values, course.anchors)
    picked = np.union1d(np.linspace(0, len(course.values) - 1, MOST_VALUES).round().astype(int), np.flatnonzero(inside))
    lines = [
        (float(course.values[k]), "anchor" if inside[k] else "", *(_cell(course, k, i) for i in range(len(columns))))
        for k in picked
    ]
    print_table((course.name, "", *(f"{c.name} [{c.units}]" if c.units else c.name for c in columns)), lines)
    for i, column in enumerate(schema.outputs[: 3 * MOST_OUTPUTS]):
        mean = course.mean[:, i]
        typer.echo(f"{column.name:>12} {sparkline(mean)} {shown(float(mean.min()))} to {shown(float(mean.max()))}")
    if len(schema.outputs) > MOST_OUTPUTS:
        typer.echo(f"the table has {MOST_OUTPUTS} of {len(schema.outputs)} outputs; `sample` writes all of them")


def _value(column: "Column", value: float) -> str:
    return column.label(value) if column.categories else f"{value:g}"


def _cell(course: Course, k: int, i: int) -> str:
    mean, low, high = (shown(float(part[k, i])) for part in (course.mean, course.low, course.high))
    return mean if low == high else f"{mean} [{low}, {high}]"
