"""Choosing a sweep: this writes params.yaml, which always holds the one resolved sweep."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.data.harvest import Harvest
from pipeline.data.split import check_anchors_in
from pipeline.errors import ConfigurationError
from pipeline.families.catalog import watched
from pipeline.settings import read_text
from pipeline.stages.params import PARAMS, parse_config
from pipeline.storage.atomic import write_text

PRESETS = Path("sweeps")


def preset_names(root: Path = Path()) -> list[str]:
    """Names of the files under sweeps/, without their ending."""
    return sorted(path.stem for path in (root / PRESETS).glob("*.yaml"))


def select_preset(name: str, root: Path = Path()) -> bool:
    """Write sweeps/NAME.yaml into params.yaml; returns whether that changed it. ConfigurationError lists the names."""
    if name not in preset_names(root):
        raise ConfigurationError(f"sweep {name!r} is not under {PRESETS}/; available: {preset_names(root)}")
    path = root / PRESETS / f"{name}.yaml"
    return _write_params(read_text(path), str(path), root)


def select_harvest(path: Path, held_out: Sequence[float] = (), root: Path = Path()) -> bool:
    """Write a params.yaml for a harvest on disk; returns whether that changed it.

    The sweep is named after the harvest's folder, and all values of the harvest except `held_out` are anchors. Raises
    what `Harvest.load` raises, and ConfigurationError where `held_out` does not fit.
    """
    harvest = Harvest.load(path)
    values = harvest.hyperparameter.tolist()
    if missing := [v for v in held_out if v not in values]:
        raise ConfigurationError(f"held-out {missing}: not in the harvest {path}, which holds {values}")
    anchors = [v for v in values if v not in held_out]
    if len(anchors) < 2:
        raise ConfigurationError(
            f"held-out {list(held_out)} leaves the anchors {anchors} of {values}; at least two are required"
        )
    check_anchors_in(harvest, anchors)
    return _write_params(_document(path, anchors, values, root), f"the sweep of {path}", root)


def held_out_values(text: str) -> list[float]:
    """The numbers of an option `--held-out 0.25,0.75`; ConfigurationError for anything else."""
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise ConfigurationError(f"--held-out {text}: expected comma-separated numbers ({error})") from error


def _document(path: Path, anchors: list[float], values: list[float], root: Path) -> str:
    import yaml

    resolved, home = path.resolve(), root.resolve()
    source = resolved.relative_to(home) if resolved.is_relative_to(home) else resolved
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", resolved.name).strip("-")[:90] or "harvest"
    if name in preset_names(root):
        name += "-harvest"  # another problem's data and registered model must not be replaced
    sections: dict[str, Any] = {
        "name": name,
        "network": None,
        "code": dict(zip(("family", "shared"), watched(None), strict=True)),
        "sweep": {"values": [], "anchors": anchors},
        "raw": {"bundled": []},
        "ingest": {"source": source.as_posix(), "column": "", "units": ""},
        "train": {"seed": 0},
        "harvest": None,
        "dataset": {"source": f"data/{name}/data", "score_fraction": 0.25, "seed": 0},
        "fit": {"variant": "auto", "solver": "paired", "clock": "auto", "seed": 0, "device": "auto"},
        "validate": {"redraws": 1, "seed": 0},
        "register": {"model": name},
    }
    held_out = [v for v in values if v not in anchors]
    heading = (
        f"# A harvest from disk: nothing is trained. Held out, because they are not anchors: {held_out or 'none'}.\n"
    )
    return heading + yaml.safe_dump(sections, sort_keys=False, allow_unicode=True, default_flow_style=None)


def _write_params(text: str, origin: str, root: Path) -> bool:
    """Validate, then write: params.yaml is left alone where the text is invalid or already in it."""
    parse_config(text, origin)
    path = root / PARAMS
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    write_text(path, text)
    return True
