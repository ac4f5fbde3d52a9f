"""The pictures of a sweep of several hyperparameters."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.harvest import Harvest
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.scores import SURROGATE, Evaluation
from pipeline.report.error_map import draw_error_map
from pipeline.report.image_lines import draw_image_lines
from pipeline.report.multiples import draw_multiples
from pipeline.report.panels import Panel, representative
from pipeline.report.plane import Plane
from pipeline.report.style import Picture, describe, number, spaced
from pipeline.report.through_anchors import draw_through_anchors

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

MOST = 3
"""Conditions that curves are shown at."""


def draw_several(surrogate: "Surrogate", score: Harvest, evaluation: Evaluation, folder: Path) -> list[Picture]:
    """Error map, small multiples and curves through the anchors; what is held out decides which of them there are."""
    plane, comparison = Plane(surrogate, score), Comparison.of(score, deterministic=surrogate.deterministic)
    panels = choose_conditions(score, comparison, evaluation)
    pictures = []
    median = panels[(len(panels) - 1) // 2]
    if evaluation.held_out:
        pictures.append(draw_error_map(plane, evaluation, folder))
        pictures.append(draw_multiples(plane, median, comparison, evaluation, folder))
    if score.schema.picture == "image":  # a pixel against λ says nothing
        pictures.append(draw_image_lines(plane, median, comparison, folder))
    else:
        pictures.append(draw_through_anchors(plane, panels, comparison, folder))
    return pictures


def choose_conditions(score: Harvest, comparison: Comparison, evaluation: Evaluation) -> list[Panel]:
    """Conditions with a small, the median and a large error of the surrogate, ascending: the middle one is the median.

    All of them where they are three at most; evenly spaced ones where nothing is held out, and one panel of all where
    the λ do not share them.
    """
    if comparison.kind == "joint":
        return [Panel("all conditions", None)]
    distinct = np.unique(score.conditions[0], axis=0)
    errors = np.array(evaluation.by_condition(SURROGATE)) if evaluation.held_out else np.zeros(0)
    if len(errors) != len(distinct):
        shown = distinct[spaced(len(distinct), MOST)]
        return [Panel(describe(condition, score.schema.conditions), condition) for condition in shown]
    units = score.schema.outputs[0].units
    squared = f" {units}²" if units else ""
    named = {i: describe(distinct[i], score.schema.conditions) for i in np.argsort(errors).tolist()}
    if len(errors) > MOST:
        contexts = {row: f"context with {name}" for name, row in representative(errors).items()}
        named = contexts if comparison.kind == "matched" else {row: named[row] for row in contexts}
    return [
        Panel(f"{name}: {evaluation.measure} {number(errors[i])}{squared}", distinct[i]) for i, name in named.items()
    ]
