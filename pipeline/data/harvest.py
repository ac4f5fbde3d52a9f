"""The harvest: samples of the conditional output distributions at the anchors.

On disk a harvest is a folder: `schema.json`, one Parquet file per anchor (`anchor-0.parquet`, …; condition columns,
then output columns), `outcomes.parquet` with the same columns where outcomes are known, and, where the networks travel
along, one folder per anchor under `networks/`. `schema.json` lists the files' SHA-256 under "sha256"; one that was
written by hand may leave that out.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError

from pipeline.data.anchors import check_anchors
from pipeline.data.mesh import Grid, Value, axes_of, grid_of
from pipeline.data.network import Network, save_network
from pipeline.data.outcomes import Outcomes, read_outcomes, write_outcomes
from pipeline.data.samples import check_samples, group_rows, matrix, plain, read_samples, write_samples
from pipeline.data.schema import Column, Kind, Schema
from pipeline.errors import BundleError, ConfigurationError, DataError
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
        conditions: Sequence[ArrayLike],
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
        scattered ones that span a volume. outputs: an array (N_k, D) for each anchor. conditions: as many arrays
        (N_k, C), rows matching outputs. condition_kind: one kind for all columns, or one a column; categorical columns
        hold whole-number codes in any numeric dtype. output_kind: likewise, "circular" for angles, "simplex" for
        probabilities (see `Column`). names: {"hyperparameter": str, or P of them, "outputs": [...],
        "conditions": [...]}.
        units and bounds: by column name. outcomes: conditions (M, C) that no network was trained on and what came true
        there, (M, D), where λ, or its first coordinate, is the probability that an outcome lies below the output.
        deterministic: see `Schema`.
        schema: names, units, bounds, kinds and deterministic at once, instead of them.
        Raises DataError for samples, and ConfigurationError for descriptions, that cannot be used.
        """
        anchors = _anchors(hyperparameter, len(outputs))
        ys = tuple(matrix(y, f"outputs[{k}]") for k, y in enumerate(outputs))
        xs = tuple(matrix(x, f"conditions[{k}]") for k, x in enumerate(conditions))
        for field, arrays in (("outputs", ys), ("conditions", xs)):
            if len(arrays) != len(anchors):
                raise DataError(f"{field}: {len(arrays)} arrays for {len(anchors)} anchors; expected one per anchor")
            if len(found := {a.shape[1] for a in arrays}) > 1:
                raise DataError(f"{field}: columns differ between the anchors ({sorted(found)}); they must agree")
        for k, (y, x) in enumerate(zip(ys, xs, strict=True)):
            if len(y) != len(x):
                raise DataError(
                    f"anchor {anchors[k]}: {len(y)} rows of outputs but {len(x)} of conditions; rows must match"
                )
        if not ys[0].shape[1]:
            raise DataError("outputs must have at least one column")
        if schema is None:
            kinds = (
                _kinds(output_kind, ys[0].shape[1], "output"),
                _kinds(condition_kind, xs[0].shape[1], "condition"),
            )
            schema = _describe(1 if anchors.ndim == 1 else anchors.shape[1], kinds, names, units, bounds, deterministic)
        _check_coordinates(schema, anchors)
        check_samples(schema, ys, xs)
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
    try:
        anchors = np.array(plain(values, "hyperparameter"), dtype=np.float64)
        if anchors.ndim == 2 and anchors.shape[0] == count and anchors.shape[1] > 1:
            _check_vertices(anchors)
            return anchors
        anchors = anchors.reshape(-1)
        check_anchors(tuple(anchors.tolist()), "hyperparameter")
    except (TypeError, ValueError) as error:
        raise DataError(str(error)) from error
    return anchors


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


def _kinds(kind: Kind | Sequence[Kind], count: int, side: str) -> list[Kind]:
    """The kinds of `count` columns of a side, of one for all or of one a column."""
    kinds = [kind] * count if isinstance(kind, str) else list(kind)
    if len(kinds) != count:
        raise ConfigurationError(f"{side}_kind has {len(kinds)} entries for {count} {side} columns")
    return kinds


def _default_names(coordinates: int, outputs: int, conditions: int) -> dict[str, list[str]]:
    """The names of as many hyperparameters, outputs and conditions that nobody named."""
    several = [f"hyperparameter{i}" for i in range(coordinates)]
    names = {"hyperparameter": several if coordinates > 1 else ["hyperparameter"]}
    for side, letter, count in (("outputs", "y", outputs), ("conditions", "x", conditions)):
        names[side] = [f"{letter}{i}" for i in range(count)]
    return names


def _describe(
    size: int,
    kinds: tuple[Sequence[Kind], Sequence[Kind]],
    names: dict[str, Sequence[str] | str] | None,
    units: dict[str, str] | None,
    bounds: dict[str, tuple[float | None, float | None]] | None,
    deterministic: bool | None,
) -> Schema:
    names, units, bounds = dict(names or {}), dict(units or {}), dict(bounds or {})
    output_kinds, condition_kinds = kinds
    default = _default_names(size, len(output_kinds), len(condition_kinds))
    if strangers := sorted(set(names) - set(default)):
        raise ConfigurationError(f"names: unknown {strangers}; hyperparameter, outputs and conditions are known")
    given = {field: names.get(field, known) for field, known in default.items()}
    labels = {field: [label] if isinstance(label, str) else [str(n) for n in label] for field, label in given.items()}
    for field, known in default.items():
        if len(labels[field]) != len(known):
            raise ConfigurationError(f"names[{field!r}] has {len(labels[field])} entries for {len(known)} columns")
    hyperparameters = labels["hyperparameter"]
    columns = {*hyperparameters, *labels["outputs"], *labels["conditions"]}
    for field, mapping in (("units", units), ("bounds", bounds)):
        if unknown := sorted(set(mapping) - columns):
            raise ConfigurationError(f"{field}: {unknown} are not columns; known columns: {sorted(columns)}")

    def column(name: str, column_kind: Kind = "continuous") -> Column:
        lower, upper = bounds.get(name, (None, None))
        return Column(name=name, units=units.get(name, ""), kind=column_kind, lower=lower, upper=upper)

    try:
        return Schema(
            hyperparameter=column(hyperparameters[0]),
            further_hyperparameters=tuple(column(n) for n in hyperparameters[1:]),
            outputs=tuple(column(n, k) for n, k in zip(labels["outputs"], output_kinds, strict=True)),
            conditions=tuple(column(n, k) for n, k in zip(labels["conditions"], condition_kinds, strict=True)),
            deterministic=deterministic,
        )
    except ValidationError as error:
        raise ConfigurationError(f"invalid column description: {error}") from error
