"""Small sweeps for tests: params.yaml as a dictionary, as text, as a Config."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.data.harvest import Harvest
from pipeline.families.catalog import watched
from pipeline.stages.params import Config, parse_config

SWEEPS: dict[str, dict[str, Any]] = {
    "quantile_forecaster": {
        "name": "small",
        "network": "quantile_forecaster",
        "sweep": {"values": [0.1, 0.5, 0.7, 0.9], "anchors": [0.1, 0.5, 0.9]},
        "raw": {"bundled": []},
        "ingest": {"source": "series.csv", "column": "value", "units": "kW"},
        "train": {"seed": 0, "history": 4, "horizon": 2, "hidden": [8], "max_epochs": 2, "batch_size": 64},
        "harvest": {"fit_conditions": 40, "score_conditions": 20, "draws": 1, "seed": 0},
        "dataset": {"source": "data/small/harvest"},
        "fit": {"variant": "K_theta-U", "seed": 0, "device": "cpu"},
        "validate": {"redraws": 1, "seed": 0, "methods": []},
        "register": {"model": "small"},
    },
}
SWEEPS["semicircles"] = SWEEPS["quantile_forecaster"] | {
    "name": "circles",
    "network": "semicircles",
    "sweep": {"values": [0.0, 0.25, 1.0], "anchors": [0.0, 1.0]},
    "ingest": {"source": "truth.py", "column": "", "units": ""},
    "train": {"seed": 0},
    "harvest": {"fit_conditions": 4, "score_conditions": 4, "draws": 5, "seed": 0},
    "dataset": {"source": "data/circles/harvest"},
}
SWEEPS["harvest"] = SWEEPS["quantile_forecaster"] | {
    "name": "handed",
    "network": None,
    "sweep": {"values": [], "anchors": [0.0, 1.0]},
    "ingest": {"source": "handed", "column": "", "units": ""},
    "train": {"seed": 0},
    "harvest": None,
    "dataset": {"source": "data/handed/data"},
}


def with_code(sections: dict[str, Any]) -> dict[str, Any]:
    """Sections with the code that DVC watches for their network."""
    return {"code": dict(zip(("family", "shared"), watched(sections["network"]), strict=True))} | sections


def sweep_text(kind: str = "quantile_forecaster", **sections: Any) -> str:
    """params.yaml of a small sweep; sections replace whole sections."""
    return yaml.safe_dump(with_code(SWEEPS[kind] | sections), sort_keys=False, allow_unicode=True)


def sweep_config(kind: str = "quantile_forecaster", **sections: Any) -> Config:
    return parse_config(sweep_text(kind, **sections), "params.yaml")


def write_source(root: Path) -> None:
    """What the small sweeps of networks ingest: a daily cycle with noise, and a file that stands for code."""
    hours = np.arange(300)
    values = 10 + 5 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(0).normal(0, 0.5, 300)
    (root / "series.csv").write_text("value\n" + "".join(f"{v:.3f}\n" for v in values))
    (root / "truth.py").touch()


def line_harvest(values: tuple[float, ...] = (0.0, 0.5, 1.0), contexts: int = 12, draws: int = 3) -> Harvest:
    """Draws around a line in λ, D = 2 and C = 2, the same contexts at every λ."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(contexts, 2)), draws, axis=0)
    return Harvest.from_arrays(values, [x + v + rng.normal(0, 0.1, x.shape) for v in values], [x] * len(values))


def make_champion(config: Config, root: Path) -> None:
    """Run every stage of a sweep whose source is there, in this process, into the folder's own MLflow store."""
    from pipeline.stages import compare, dataset, fit, harvest, ingest, leave_out, register, timing, train, validate

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        ingest.run(config, root)
        for value in map(str, config.sweep.values):
            train.run(config, value, root)
            harvest.run(config, value, root)
        for stage in (dataset, fit, timing, leave_out, compare, validate):
            stage.run(config, root)
        assert register.run(config, [], root).champion
