"""Pictures of several hyperparameters, drawn once a module."""

import pytest

from pipeline.evaluation.evaluate import evaluate
from pipeline.report import error_map, image_lines, multiples, through_anchors
from pipeline.report.pictures import draw_pictures
from tests.report.planes import Drift, score_of, watched


@pytest.fixture(scope="module")
def draw(tmp_path_factory):
    """Draw all pictures of a drift, once each: its evaluation, the pictures, and (figure, axes) by file name."""
    known: list[tuple[Drift, tuple]] = []

    def drawn(surrogate, score=None):
        for other, result in known:
            if score is None and other == surrogate:
                return result
        folder, given = tmp_path_factory.mktemp("pictures"), score or score_of(surrogate)
        evaluation = evaluate(surrogate, given)
        with pytest.MonkeyPatch.context() as patch:
            figures = watched(patch, error_map, image_lines, multiples, through_anchors)
            pictures = draw_pictures(surrogate, given, evaluation, folder)
        assert {p.file for p in pictures} == {path.name for path in folder.iterdir()}
        if score is None:
            known.append((surrogate, (evaluation, pictures, figures)))
        return evaluation, pictures, figures

    return drawn
