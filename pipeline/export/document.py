"""What an export's files are called, and the JSON that says how they belong together."""

import hashlib
import json
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, TypeAdapter

from pipeline.data.schema import Schema
from pipeline.surrogate.barriers import Barrier
from pipeline.surrogate.regions import Region

NetworkKind: TypeAlias = Literal["graphs", "own", "none"]
FORMAT = 1
OPSET = 20
"""The version of ONNX's operators that graphs are written in."""
DOCUMENT, ARRAYS, PATH = "export.json", "arrays.safetensors", "path.onnx"
NETWORKS = "networks"
"""A folder an anchor, with its graph, or a network that needs no torch as its family saves it."""


def skew_array(coordinate: int, name: str) -> str:
    """An array of a clock's skew, among `ARRAYS`."""
    return f"skew_{coordinate}_{name}"


def map_file(edge: int) -> str:
    """The graph of the map of an edge."""
    return f"map_{edge}.onnx"


def direction_file(anchor: int) -> str:
    """The graph of the mean directions of an anchor's circular outputs."""
    return f"direction_{anchor}.onnx"


def outputs_file(anchor: int) -> str:
    """The graph of an anchor's network."""
    return f"{NETWORKS}/{anchor}/outputs.onnx"


class ClockDocument(BaseModel):
    """A clock, beside the arrays of its skew. calibration: levels and coordinates."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str
    calibration: tuple[tuple[float, ...], tuple[float, ...]] | None


class NoiseDocument(BaseModel):
    """Of networks whose draws are a function of noise: as `data.network.Reparameterised`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dimension: int
    coupled: bool


class ExportDocument(BaseModel):
    """An export, as `DOCUMENT` says it.

    digest: of the surrogate whose export this is. networks: "graphs", "own" (as their family saves them), or "none",
    for samples of a harvest. maps: numbers of the edges whose maps are graphs. lower, upper: atoms, None where an
    output has none there. sha256: of every other file. checksum: of the document itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    opset: int = OPSET
    digest: str
    columns: Schema
    vertices: tuple[tuple[float, ...], ...]
    order: tuple[int, ...]
    straight_names: tuple[str, ...]
    straight: bool
    smooth: bool
    deterministic: bool
    codes: tuple[tuple[float, ...], ...]
    clocks: tuple[ClockDocument, ...]
    networks: NetworkKind
    noise: NoiseDocument | None
    maps: tuple[int, ...]
    lower: tuple[float | None, ...]
    upper: tuple[float | None, ...]
    barriers: tuple[dict[str, Any], ...] | None
    certificate: tuple[dict[str, Any], ...]
    sha256: dict[str, str] = {}
    checksum: str = ""

    def sealed(self, files: dict[str, str]) -> "ExportDocument":
        """This document with the other files' checksums, and its own."""
        whole = self.model_copy(update={"sha256": files})
        return whole.model_copy(update={"checksum": whole.own_checksum()})

    def own_checksum(self) -> str:
        """SHA-256 of all that the document says but this."""
        content = self.model_dump(mode="json", exclude={"checksum"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def found_barriers(self) -> tuple[Barrier, ...] | None:
        """The barriers of every interval; None where they were not looked for."""
        return None if self.barriers is None else tuple(map(Barrier.of, self.barriers))

    def regions(self) -> tuple[Region, ...]:
        """The certificate."""
        return TypeAdapter(tuple[Region, ...]).validate_python(self.certificate)
