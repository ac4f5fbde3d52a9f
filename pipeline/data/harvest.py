"""The harvest: samples of the conditional output distributions at the anchors.

On disk a harvest is a folder: `schema.json`, one Parquet file per anchor (`anchor-0.parquet`, …; condition columns,
then output columns), `outcomes.parquet` with the same columns where outcomes are known, and, where the networks travel
along, one folder per anchor under `networks/`. `schema.json` lists the files' SHA-256 under "sha256"; one that was
written by hand may leave that out.
"""

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError

from pipeline.data.anchors import check_anchors
from pipeline.data.describe import describe, kinds_of
from pipeline.data.forms import Side, check_kinds, per_anchor, read_side
from pipeline.data.mesh import Grid, Value, axes_of, grid_of
from pipeline.data.network import Network, save_network
from pipeline.data.outcomes import Outcomes, read_outcomes, write_outcomes
from pipeline.data.samples import check_samples, group_rows, matrix, plain, read_samples, write_samples
from pipeline.data.schema import Kind, Schema
from pipeline.errors import BundleError, ConfigurationError, DataError
from pipeline.settings import shown
from pipeline.storage.atomic import atomic_folder, write_json
from pipeline.storage.files import check_files, file_checksums, read_json

FORMAT = 1
SCHEMA_FILE = "schema.json"


@dataclass(frozen=True, eq=False)
class Harvest:
    """Samples at K+1 anchors.

    hyperparameter: (K+1,) float64, ascending; or (K, P) for P ≥ 2 hyperparameters, distinct, in any order. outputs: one
    array (N_k, D) per anchor. conditions: one array (N_k, C) per anchor, rows matching outputs; equal rows are several
    draws of one condition. Floats are float32 or float64. networks: every anchor's own network, or None. outcomes: what
    came true, where λ is a probability level, or None.
    Construct by `from_arrays` or `load`, which check everything.
    """

    hyperparameter: NDArray[np.float64]
    outputs: tuple[NDArray[np.floating], ...]
    conditions: tuple[NDArray[np.floating], ...]
    schema: Schema
    networks: tuple[Network, ...] | None = None
    outcomes: Outcomes | None = None

    @classmethod
    def from_arrays(
        cls,
        hyperparameter: ArrayLike,
        outputs: Sequence[ArrayLike],
        conditions: Sequence[ArrayLike] | ArrayLike,
        condition_kind: Kind | Sequence[Kind] = "continuous",
        *,
        output_kind: Kind | Sequence[Kind] = "continuous",
        names: dict[str, Sequence[str] | str] | None = None,
        units: dict[str, str] | None = None,
        bounds: dict[str, tuple[float | None, float | None]] | None = None,
        networks: Sequence[Network] | None = None,
        outcomes: tuple[ArrayLike, ArrayLike] | None = None,
        deterministic: bool | None = None,
        schema: Schema | None = None,
    ) -> Self:
        """Check arrays and make a harvest of them.

        hyperparameter: (K+1,) anchors, ascending; or (K, P) anchors of P ≥ 2 hyperparameters: a full grid of values, or
        scattered ones that span a volume. outputs: an array (N_k, D) for each anchor; (N_k,) where D = 1; or
        (N_k, draws, D), several draws of each of N_k conditions. conditions: as many arrays (N_k, C), rows matching
        outputs, or one array or frame for all anchors. Frames and series of pandas keep the names of their columns,
        which are brought to one order at all anchors. condition_kind: one kind for all columns, or one a column;
        categorical columns hold whole-number codes in any numeric dtype; texts and booleans are categorical, and the
        texts' codes are their places in `Column.categories`. output_kind: likewise, "circular" for angles, "simplex"
        for probabilities (see `Column`). names: {"hyperparameter": str, or P of them, "outputs": [...],
        "conditions": [...]}.
        units and bounds: by column name. outcomes: conditions (M, C) that no network was trained on and what came true
        there, (M, D), where λ, or its first coordinate, is the probability that an outcome lies below the output.
        deterministic: see `Schema`.
        schema: names, units, bounds, kinds and deterministic at once, instead of them.
        Raises DataError for samples, and ConfigurationError for descriptions, that cannot be used.
        """
        anchors = _anchors(hyperparameter, len(outputs))
        values = [tuple(v) if np.ndim(v) else float(v) for v in anchors]
        tables = dict(zip(("outputs", "conditions"), per_anchor(outputs, conditions, values), strict=True))
        for field, given in tables.items():
            if len(given) != len(anchors):
                raise DataError(f"{field}: {len(given)} arrays for {len(anchors)} anchors; expected one per anchor")
        told = _told_names(names, schema)
        sides = {field: read_side(given, field, told.get(field), values) for field, given in tables.items()}
        made = {field: _matrices(side, field, told.get(field), values) for field, side in sides.items()}
        ys, xs = made["outputs"], made["conditions"]
        for k, (y, x) in enumerate(zip(ys, xs, strict=True)):
            if len(y) != len(x):
                raise DataError(
                    f"anchor {anchors[k]}: {len(y)} rows of outputs but {len(x)} of conditions; rows must match"
                )
        if not ys[0].shape[1]:
            raise DataError("outputs must have at least one column")
        if schema is None:
            kinds = (
                kinds_of(output_kind, ys[0].shape[1], "output"),
                kinds_of(check_kinds(sides["conditions"], condition_kind), xs[0].shape[1], "condition"),
            )
            found = {field: side.names for field, side in sides.items() if side.names is not None}
            size = 1 if anchors.ndim == 1 else anchors.shape[1]
            schema = describe(size, kinds, found | dict(names or {}), (units, bounds), sides["conditions"].categories)
            schema = schema.model_copy(update={"deterministic": deterministic})
        _check_coordinates(schema, anchors)
        check_samples(schema, ys, xs)
        _warn_of_categories(schema, xs, values)
        levels = anchors.reshape(len(anchors), -1)[:, 0]
        known = None if outcomes is None else Outcomes.of(*outcomes, schema, levels)
        return cls(anchors, ys, xs, schema, None if networks is None else _networks(networks, len(anchors)), known)

    @property
    def categorical(self) -> tuple[bool, ...]:
        """Which condition columns are categorical, (C,)."""
        return tuple(c.kind == "categorical" for c in self.schema.conditions)

    @cached_property
    def groups(self) -> tuple[NDArray[np.intp], ...]:
        """The number of each row's condition, (N_k,) an anchor; equal conditions have equal numbers at all anchors."""
        return tuple(group_rows(*self.conditions))

    @cached_property
    def shared(self) -> bool:
        """Whether every anchor holds the same set of conditions."""
        first = np.unique(self.groups[0])
        return all(np.array_equal(first, np.unique(group)) for group in self.groups[1:])

    @cached_property
    def digest(self) -> str:
        """SHA-256 of anchors, samples, outcomes and schema: equal harvests have equal digests."""
        digest = hashlib.sha256(self.schema.model_dump_json().encode())
        known = () if self.outcomes is None else (self.outcomes.conditions, self.outcomes.values)
        for array in (self.hyperparameter, *self.outputs, *self.conditions, *known):
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """The anchors: numbers, or tuples of P numbers."""
        if self.hyperparameter.ndim == 1:
            return tuple(self.hyperparameter.tolist())
        return tuple(tuple(row) for row in self.hyperparameter.tolist())

    @cached_property
    def vertices(self) -> tuple[tuple[float, ...], ...]:
        """The anchors as tuples of P ≥ 1 numbers."""
        return tuple(v if isinstance(v, tuple) else (v,) for v in self.values)

    def grid(self, order: tuple[int, ...] | None = None) -> Grid | None:
        """The grid that the anchors form, or None; order: that of the coordinates."""
        axes = axes_of(self.vertices, [column.name for column in self.schema.hyperparameters])
        return grid_of(self.vertices, axes, tuple(range(len(axes))) if order is None else order)

    def select(self, values: Sequence[Value]) -> Self:
        """The harvest at some of its values, two at least, ascending; DataError where one is missing."""
        if missing := [v for v in values if v not in self.values]:
            raise DataError(f"hyperparameter {missing} not in the harvest; it contains {list(self.values)}")
        keep = [self.values.index(v) for v in values]
        return self._at(keep, _anchors(self.hyperparameter[keep], len(keep)), self.schema)

    def along(self, coordinate: int, line: Sequence[int]) -> Self:
        """The harvest of one hyperparameter, at the anchors of these numbers, ascending in that coordinate."""
        column = self.schema.hyperparameters[coordinate]
        schema = self.schema.model_copy(update={"hyperparameter": column, "further_hyperparameters": ()})
        values = self.hyperparameter.reshape(len(self.outputs), -1)[list(line), coordinate]
        made = self._at(line, _anchors(values, len(line)), schema)
        return made if coordinate == 0 else replace(made, outcomes=None)

    def _at(self, keep: Sequence[int], anchors: NDArray[np.float64], schema: Schema) -> Self:
        return type(self)(
            anchors,
            tuple(self.outputs[k] for k in keep),
            tuple(self.conditions[k] for k in keep),
            schema,
            None if self.networks is None else tuple(self.networks[k] for k in keep),
            self.outcomes,
        )

    def save(self, path: Path | str) -> None:
        """Write the folder `path` atomically, replacing what was there."""
        with atomic_folder(path, replaces=SCHEMA_FILE) as folder:
            for k, (y, x) in enumerate(zip(self.outputs, self.conditions, strict=True)):
                write_samples(folder / f"anchor-{k}.parquet", self.schema, y, x)
                if self.networks is not None:
                    save_network(self.networks[k], folder / "networks" / str(k))
            if self.outcomes is not None:
                write_outcomes(folder, self.schema, self.outcomes.conditions, self.outcomes.values)
            write_json(
                folder / SCHEMA_FILE,
                {
                    "format": FORMAT,
                    "hyperparameter": self.hyperparameter.tolist(),
                    "networks": self.networks is not None,
                    "outcomes": self.outcomes is not None,
                    "schema": self.schema.model_dump(),
                    "sha256": file_checksums(folder),
                },
            )

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a folder that `save` wrote; BundleError for missing or corrupted files, DataError for bad values."""
        folder = Path(path)
        document = read_json(folder / SCHEMA_FILE, "harvest")
        try:
            if document["format"] != FORMAT:
                raise BundleError(f"{folder}: format {document['format']} of a harvest; this version reads {FORMAT}")
            schema = Schema.model_validate(document["schema"])
            anchors = np.array(document["hyperparameter"], np.float64)
            with_networks, with_outcomes = bool(document["networks"]), bool(document.get("outcomes", False))
            checksums = dict(document.get("sha256", {}))
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            raise BundleError(f"{folder / SCHEMA_FILE} is not a valid harvest schema: {error}") from error
        check_files(folder, checksums, "harvest")
        tables = [read_samples(folder / f"anchor-{k}.parquet", schema) for k in range(len(anchors))]
        networks = None
        if with_networks:
            networks = [travelling_network(folder / "networks" / str(k)) for k in range(len(anchors))]
        return cls.from_arrays(
            anchors,
            [y for y, _ in tables],
            [x for _, x in tables],
            networks=networks,
            outcomes=read_outcomes(folder, schema) if with_outcomes else None,
            schema=schema,
        )


def travelling_network(folder: Path) -> Network:
    """A network that was saved beside its samples; BundleError as `pipeline.families.catalog.load_network` has it."""
    from pipeline.families.catalog import load_network  # against the order of rooms: it names its family itself

    return load_network(folder)


def _networks(networks: Sequence[Network], count: int) -> tuple[Network, ...]:
    if len(networks) != count:
        raise DataError(f"networks: {len(networks)} for {count} anchors; expected one per anchor")
    if strangers := [type(n).__name__ for n in networks if not isinstance(n, Network)]:
        raise ConfigurationError(
            f"networks: {strangers} are not networks; each needs family, outputs() and save() "
            "(pipeline.data.network.Network)"
        )
    return tuple(networks)


def _anchors(values: ArrayLike, count: int) -> NDArray[np.float64]:
    """Anchors (K,) of one hyperparameter, or (K, P) of several; count: the number of arrays of outputs."""
    given = plain(values, "hyperparameter")
    if given.dtype.kind not in "fiu":
        raise DataError(f"hyperparameter = {shown(given.tolist())} has dtype {given.dtype}; anchors are real numbers")
    try:
        anchors = np.array(given, dtype=np.float64)
        if anchors.ndim == 2 and anchors.shape[0] == count and anchors.shape[1] > 1:
            _check_vertices(anchors)
            return anchors
        anchors = anchors.reshape(-1)
        check_anchors(tuple(anchors.tolist()), "hyperparameter")
    except (TypeError, ValueError) as error:
        raise DataError(str(error)) from error
    return anchors


def _told_names(names: dict[str, Sequence[str] | str] | None, schema: Schema | None) -> dict[str, list[str]]:
    """The names that a caller gave to the columns of each side, where there are any."""
    if schema is not None:
        sides = {"outputs": schema.outputs, "conditions": schema.conditions}
        return {field: [column.name for column in columns] for field, columns in sides.items()}
    return {field: [str(n) for n in given] for field, given in (names or {}).items() if not isinstance(given, str)}


def _matrices(
    side: Side, field: str, told: Sequence[str] | None, values: Sequence[Value]
) -> tuple[NDArray[np.floating], ...]:
    """Checked arrays of one side, of the same columns at all anchors."""
    letter = {"outputs": "y", "conditions": "x"}[field]
    known = told or side.names or [f"{letter}{i}" for i in range(np.shape(side.arrays[0])[-1])]
    arrays = tuple(matrix(array, f"{field}[{k}]", f"anchor {values[k]}", known) for k, array in enumerate(side.arrays))
    if len(found := {array.shape[1] for array in arrays}) > 1:
        raise DataError(f"{field}: columns differ between the anchors ({sorted(found)}); they must agree")
    return arrays


def _warn_of_categories(schema: Schema, conditions: Sequence[NDArray[np.floating]], values: Sequence[Value]) -> None:
    """Warn of categories that one anchor alone has: nothing says how their outputs move."""
    for i, column in enumerate(schema.conditions):
        if column.kind != "categorical":
            continue
        known = [np.unique(array[:, i]) for array in conditions]
        codes, counts = np.unique(np.concatenate(known), return_counts=True)
        for code in codes[counts == 1][:1]:
            (anchor,) = [values[k] for k, some in enumerate(known) if code in some]
            warnings.warn(
                f"conditions: {int((counts == 1).sum())} categories of column {column.name!r} are known at one anchor "
                f"alone (the first, {column.label(code)}, at {anchor}): at other λ their outputs are moved as those of "
                "other categories are; sample them at every anchor, or leave them out",
                UserWarning,
                stacklevel=3,
            )


def _check_vertices(anchors: NDArray[np.float64]) -> None:
    if not np.isfinite(anchors).all():
        raise ValueError(f"hyperparameter: {anchors[~np.isfinite(anchors)].tolist()} are not finite numbers")
    distinct, counts = np.unique(anchors, axis=0, return_counts=True)
    if counts.max() > 1:
        raise ValueError(f"hyperparameter: {tuple(distinct[counts.argmax()].tolist())} is repeated; anchors are unique")
    if len(anchors) <= anchors.shape[1]:
        raise ValueError(
            f"hyperparameter has {len(anchors)} anchors of {anchors.shape[1]} hyperparameters; at least "
            f"{anchors.shape[1] + 1} are required to span a volume (rows are anchors, columns hyperparameters)"
        )
    if constant := np.flatnonzero(np.ptp(anchors, axis=0) == 0).tolist():
        raise ValueError(
            f"hyperparameter: column {constant[0]} has one value, {anchors[0, constant[0]]}, at all anchors; leave the "
            "column out, or add anchors at other values"
        )


def _check_coordinates(schema: Schema, anchors: NDArray[np.float64]) -> None:
    size = 1 if anchors.ndim == 1 else anchors.shape[1]
    if len(schema.hyperparameters) != size:
        names = [column.name for column in schema.hyperparameters]
        raise DataError(f"hyperparameter has {size} columns; the schema names {names}")
