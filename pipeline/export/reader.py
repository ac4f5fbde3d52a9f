"""Reading an export: draws as the surrogate's own, by NumPy, SciPy and onnxruntime."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from pipeline.clocks.formulas import Calibration
from pipeline.data.mesh import Given, axes_of
from pipeline.data.network import Network
from pipeline.errors import BundleError, ConfigurationError, SweepError
from pipeline.export.curves import SKEW, ExportedClock, ExportedCurves, ExportedImages, ExportedSkew, Graphs
from pipeline.export.document import (
    ARRAYS,
    DOCUMENT,
    FORMAT,
    NETWORKS,
    PATH,
    ClockDocument,
    ExportDocument,
    direction_file,
    map_file,
    outputs_file,
    skew_array,
)
from pipeline.export.networks import GraphNetwork, NoiseNetwork
from pipeline.export.sessions import Graph
from pipeline.shapes import ArrayT
from pipeline.storage.files import check_files, read_arrays, read_json
from pipeline.surrogate.answering import Answering, Description
from pipeline.surrogate.cells import make_mesh
from pipeline.surrogate.ends import make_ends
from pipeline.transport.condition import ConditionShape
from pipeline.transport.scaling import Scaling

Arrays = Mapping[str, NDArray[Any]]


class ExportedSurrogate(Answering):
    """A surrogate that was exported: it draws, and says where it is trusted; it does not move outputs of one's own."""

    def __init__(self, description: Description, curves: ExportedCurves, samples: Any, digest: str) -> None:
        ends = make_ends(
            description.networks, samples, description.deterministic, ExportedImages(curves), description.mesh
        )
        super().__init__(description, curves, ends)
        self.digest = digest

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a folder that `export.write` wrote; BundleError where files are missing, changed or corrupted."""
        folder = Path(path)
        document = read_json(folder / DOCUMENT, "export")
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise BundleError(f"{folder / DOCUMENT} is not an export of format {FORMAT}; export the surrogate again")
        try:
            told = ExportDocument.model_validate(document)
            if told.checksum != told.own_checksum():
                raise BundleError(f"{folder / DOCUMENT} is corrupted (checksum mismatch); export the surrogate again")
            check_files(folder, told.sha256, "export")
            return cls._restore(told, folder)
        except (KeyError, ValueError, ValidationError) as error:
            if isinstance(error, SweepError):
                raise
            raise BundleError(f"{folder} is corrupted ({error}); export the surrogate again") from error

    @classmethod
    def _restore(cls, told: ExportDocument, folder: Path) -> Self:
        arrays, _ = read_arrays(folder / ARRAYS, "export")
        names = [column.name for column in told.columns.hyperparameters]
        axes = axes_of(told.vertices, names)
        scaling = Scaling.of_arrays(told.columns, told.codes, arrays)
        clocks = [_clock(c, axes[p].values, p, scaling.shape, arrays) for p, c in enumerate(told.clocks)]
        mesh = make_mesh(told.vertices, names, clocks, told.order, told.straight_names)
        anchors = range(len(told.vertices))
        graphs = Graphs(
            None if told.straight else Graph(folder / PATH),
            {edge: Graph(folder / map_file(edge)) for edge in told.maps},
            {k: Graph(folder / direction_file(k)) for k in anchors if scaling.circular},
        )
        bounds = tuple(
            np.array([none if b is None else b for b in given], np.float64)
            for given, none in ((told.lower, -np.inf), (told.upper, np.inf))
        )
        curves = ExportedCurves(mesh, scaling, clocks, graphs, (bounds[0], bounds[1]))
        networks = None if told.networks == "none" else tuple(_network(told, k, folder) for k in anchors)
        samples = () if networks else [(arrays[f"outputs_{k}"], arrays[f"conditions_{k}"]) for k in anchors]
        description = Description(
            told.columns,
            told.vertices,
            mesh,
            told.deterministic,
            told.smooth,
            networks,
            told.found_barriers(),
            told.regions(),
        )
        return cls(description, curves, samples, told.digest)

    def transport(self, outputs: ArrayT, conditions: ArrayT, source: Given, target: Given) -> NoReturn:
        """Refuse: moving outputs of one's own takes the inverses of maps, which an export does not have."""
        raise ConfigurationError(
            "an exported surrogate draws, and does not move outputs of one's own; load the surrogate's bundle, or "
            "register with flavour = torch"
        )


def _clock(
    told: ClockDocument, anchors: tuple[float, ...], coordinate: int, shape: ConditionShape, arrays: Arrays
) -> ExportedClock:
    skew = ExportedSkew(shape, {name: arrays[skew_array(coordinate, name)] for name in SKEW})
    calibration = None
    if told.calibration is not None:
        levels, coordinates = (np.array(column, np.float64) for column in told.calibration)
        calibration = Calibration(levels, coordinates)
    return ExportedClock(told.base, anchors, skew, calibration)


def _network(told: ExportDocument, anchor: int, folder: Path) -> Network:
    if told.networks == "own":
        from pipeline.families.catalog import load_network

        return load_network(folder / NETWORKS / str(anchor))
    path = folder / outputs_file(anchor)
    if told.noise is None:
        return GraphNetwork(path)
    return NoiseNetwork(path, told.noise.dimension, told.noise.coupled)
