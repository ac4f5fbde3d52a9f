"""Choosing a sweep: this writes params.yaml, which always holds the one resolved sweep."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.split import check_anchors_in
from pipeline.data.values import in_words, read_words
from pipeline.errors import ConfigurationError
from pipeline.evaluation.gates.config import with_gates
from pipeline.families.catalog import watched
from pipeline.settings import read_text
from pipeline.stages.conditioning import with_conditioning
from pipeline.stages.params import PARAMS, parse_config
from pipeline.stages.retraining import with_retraining
from pipeline.stages.sweep import resolved
from pipeline.stages.warm_starts import with_warm_starts
from pipeline.storage.atomic import write_text
from pipeline.storage.yaml_text import yaml_of

PRESETS = Path("sweeps")


def preset_names(root: Path = Path()) -> list[str]:
    """Names of the files under sweeps/, without their ending."""
    return sorted(path.stem for path in (root / PRESETS).glob("*.yaml"))


def select_preset(name: str, root: Path = Path()) -> bool:
    """Write sweeps/NAME.yaml into params.yaml, grids expanded; returns whether that changed it.

    ConfigurationError lists the names.
    """
    if name not in preset_names(root):
        raise ConfigurationError(f"sweep {name!r} is not under {PRESETS}/; available: {preset_names(root)}")
    path = root / PRESETS / f"{name}.yaml"
    return write_params(read_text(path), str(path), root)


def select_harvest(path: Path, held_out: Sequence[float | str] = (), root: Path = Path()) -> bool:
    """Write a params.yaml for a harvest on disk; returns whether that changed it.

    The sweep is named after the harvest's folder, and all values of the harvest except `held_out` are anchors. Raises
    what `Harvest.load` raises, and ConfigurationError where `held_out` does not fit.
    """
    harvest = Harvest.load(path)
    wanted = held_out_of(harvest, held_out)
    anchors = [value for value in harvest.values if value not in wanted]
    names = [column.name for column in harvest.schema.hyperparameters]
    written = [_written(value, names) for value in anchors]
    every = [_written(value, names) for value in harvest.values]
    return write_params(_document(path, written, every, root), f"the sweep of {path}", root)


def held_out_of(harvest: Harvest, held_out: Sequence[float | str]) -> list[Value]:
    """The values of a harvest that `listed_values` read; ConfigurationError unless enough anchors remain around them.

    Raises DataError where one lies outside the others.
    """
    names = [column.name for column in harvest.schema.hyperparameters]
    known = {_written(value, names): value for value in harvest.values}
    wanted = [_known(text, harvest, names) for text in held_out]
    if missing := [v for v in wanted if v not in known]:
        raise ConfigurationError(f"held-out {missing}: not in the harvest, which holds {list(known)}")
    anchors = [v for v in known if v not in wanted]
    if len(anchors) <= len(names):
        fewest = "two are" if len(names) == 1 else f"{len(names) + 1} anchors of {len(names)} hyperparameters are"
        raise ConfigurationError(
            f"held-out {wanted} leaves the anchors {anchors} of {list(known)}; at least {fewest} required"
        )
    check_anchors_in(harvest, [known[v] for v in anchors])
    return [known[v] for v in wanted]


def _written(value: Value, names: Sequence[str]) -> float | str:
    return in_words(value, names) if isinstance(value, tuple) else value


def _known(held_out: float | str, harvest: Harvest, names: Sequence[str]) -> float | str:
    """A held-out λ as the values of the harvest are written, whatever the order of its names."""
    if not isinstance(held_out, str):
        return held_out
    point = read_words(held_out)
    if len(names) < 2 or set(point) != set(names):
        raise ConfigurationError(f"held-out {held_out}: the harvest's hyperparameters are {', '.join(names)}")
    return in_words(tuple(point[name] for name in names), names)


def listed_values(text: str, option: str = "--held-out") -> list[float | str]:
    """The λ of an option `--held-out 0.25,0.75`, or `"quantile=0.3,noise=0.5; quantile=0.7,noise=0.5"`.

    ConfigurationError for anything else.
    """
    if "=" in text:
        points = [part.strip() for part in text.split(";") if part.strip()]
        return [in_words(tuple(read.values()), tuple(read)) for read in map(read_words, points)]
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise ConfigurationError(
            f"{option} {text}: expected comma-separated numbers ({error}), or quantile=0.3,noise=0.5 with semicolons "
            "between"
        ) from error


def _document(path: Path, anchors: Sequence[float | str], values: Sequence[float | str], root: Path) -> str:
    folder, home = path.resolve(), root.resolve()
    source = folder.relative_to(home) if folder.is_relative_to(home) else folder
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", folder.name).strip("-")[:90] or "harvest"
    if name in preset_names(root):
        name += "-harvest"  # another problem's data and registered model must not be replaced
    sections: dict[str, Any] = {
        "name": name,
        "network": None,
        "code": dict(zip(("family", "shared"), watched(None), strict=True)),
        "sweep": {"values": [], "anchors": list(anchors)},
        "raw": {"bundled": []},
        "ingest": {"source": source.as_posix(), "column": "", "units": ""},
        "train": {"seed": 0},
        "harvest": None,
        "dataset": {"source": f"data/{name}/data", "score_fraction": 0.25, "seed": 0},
        "fit": {"variant": "auto", "solver": "paired", "clock": "auto", "seed": 0, "device": "auto"},
        "validate": {"redraws": 1, "seed": 0, "methods": []},
        "register": {"model": name},
    }
    held_out = [v for v in values if v not in anchors]
    heading = (
        f"# A harvest from disk: nothing is trained. Held out, because they are not anchors: {held_out or 'none'}.\n"
    )
    return heading + yaml_of(sections)


def resolve_params(root: Path = Path()) -> bool:
    """Bring params.yaml up to date: grids expanded, written sections as they are needed; whether that changed it."""
    path = root / PARAMS
    return path.is_file() and write_params(read_text(path), str(path), root)


def write_params(text: str, origin: str, root: Path) -> bool:
    """Validate, then write, all expanded: params.yaml is left alone where the text is invalid or already in it."""
    text = with_gates(with_conditioning(with_retraining(with_warm_starts(text))))
    parse_config(text, origin)
    text = resolved(text)
    path = root / PARAMS
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    write_text(path, text)
    return True
