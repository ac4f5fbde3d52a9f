"""The size of the surrogate's bundle, which a consumer loads into memory, in MiB."""

from typing import TYPE_CHECKING

from pipeline.data.mesh import Value
from pipeline.evaluation.gates.metric import Figure, Metric

if TYPE_CHECKING:
    from pipeline.evaluation.judgement import Judgement


def _figure(judgement: "Judgement", _: tuple[Value, ...]) -> Figure | None:
    size = judgement.bundle_bytes
    return None if size is None else Figure(size / 2**20)


METRIC = Metric("bundle_mib", "the size of the bundle in MiB", _figure, values=None)
