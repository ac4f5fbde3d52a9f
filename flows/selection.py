"""Selecting the sweep of a run: written into params.yaml and checked before a server starts or anything is trained."""

from pathlib import Path

from flows.parameters import SweepRun
from pipeline.stages.added import add_anchors
from pipeline.stages.check import check
from pipeline.stages.params import PARAMS, Config, load_config
from pipeline.stages.presets import resolve_params, select_harvest, select_preset


def select(run: SweepRun, root: Path) -> Config:
    """Write the requested sweep into params.yaml, check all that can be checked before training, and return it.

    Raises the SweepErrors of `pipeline.stages.presets`, `added` and `check`: field, value and remedy.
    """
    if run.sweep:
        select_preset(run.sweep, root)
    elif run.harvest:
        select_harvest(Path(run.harvest), run.held_out, root)
    else:
        resolve_params(root)
    if run.add:
        add_anchors(run.add, root)
    config = load_config(root / PARAMS)
    check(config, root)
    return config
