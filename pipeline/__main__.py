"""The command line, `python -m pipeline <command>`: one command a stage, and what chooses and checks a sweep.

Stages are imported inside their commands: a command loads what it needs and no more.
"""

import logging
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from pipeline.errors import ConfigurationError, SweepError
from pipeline.settings import shown
from pipeline.stages.params import load_config
from pipeline.storage.lease import run_lease, stage_lease
from pipeline.storage.progress import reporting

NUMBER = {"ignore_unknown_options": True}  # so that -0.5 is a value, not an option
ANYTHING = {"ignore_unknown_options": True, "allow_extra_args": True}  # of another command


class Commands(TyperGroup):
    """The commands, in the order of the pipeline; an error raised on purpose is shown without its traceback."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of their definition, which is the pipeline's."""
        return list(self.commands)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; a SweepError ends the process with status 1 and its message on stderr."""
        try:
            return super().invoke(ctx)
        except SweepError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from error


class StageCommand(TyperCommand):
    """A stage of dvc.yaml; it is refused while a run that it does not belong to works in the checkout."""

    def invoke(self, ctx: Any) -> Any:
        """Run it under the lease of stages, and report its progress."""
        given = [value for value in ctx.params.values() if isinstance(value, str)]
        with stage_lease(Path.cwd()), reporting(Path.cwd(), address_of(str(self.name), *given)):
            return super().invoke(ctx)


class SelectCommand(TyperCommand):
    """A command that writes params.yaml; it is refused while anything else works in the checkout."""

    def invoke(self, ctx: Any) -> Any:
        """Run it under a lease of its own."""
        with run_lease(Path.cwd(), f"python -m pipeline {self.name}", wait=False):
            return super().invoke(ctx)


app = typer.Typer(cls=Commands, add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
BY_DVC = "By DVC: from the stage's name, in DVC_STAGE."
Value = Annotated[str | None, typer.Argument(help=f"λ as params.yaml writes it, one of sweep.values. {BY_DVC}")]
Again = Annotated[str | None, typer.Argument(help=f"One of retrain.networks: 0.5_seed1. {BY_DVC}")]


def address_of(stage: str, *given: str) -> str:
    """The stage's address as DVC has it: what it calls it, else its command and what that is about (train@0.5)."""
    by_dvc = re.sub(r"^.*dvc\.yaml:", "", os.environ.get("DVC_STAGE", ""))
    return "@".join((stage, *given)) if given or not by_dvc else by_dvc


def asked_for(stage: str, given: str | None) -> str:
    """What a stage is about: its argument, or what the name of DVC's stage says after the @ (train@0.5: 0.5).

    dvc.yaml hands over no argument: a shell would read it, and run what somebody wrote into params.yaml.
    ConfigurationError where there is neither.
    """
    address = os.environ.get("DVC_STAGE", "")
    before, found, target = address.partition(f"{stage}@")
    by_dvc = found and (not before or before.endswith(":"))
    if given is None and not by_dvc:
        raise ConfigurationError(
            f"{stage} names nothing, and DVC_STAGE = {shown(address)} is no stage {stage}@…; write what it is about "
            f"behind {stage}, or run it by `dvc repro`"
        )
    return target if given is None else given


@app.callback(help="Sweep to surrogate: the stages of dvc.yaml, and what chooses and checks a sweep.")
def main() -> None:
    """Send the stages' log to stderr."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")


@app.command(cls=SelectCommand)
def sweep(
    name: Annotated[str | None, typer.Argument(help="A preset: a file under sweeps/, without its ending.")] = None,
    harvest: Annotated[Path | None, typer.Option(help="Folder of a harvest: nothing is trained.")] = None,
    held_out: Annotated[str, typer.Option(help="With --harvest: values to score at, not to fit: 0.25,0.75")] = "",
) -> None:
    """Write a preset, or the sweep of a harvest on disk, into params.yaml; without either, bring it up to date."""
    from pipeline.stages.presets import listed_values, preset_names, resolve_params, select_harvest, select_preset

    if name is None and harvest is None and not held_out and resolve_params():
        typer.echo(f"params.yaml: sweep {load_config().name}, brought up to date")
        return
    if (name is None) == (harvest is None):
        raise ConfigurationError(f"give the name of a preset, or --harvest PATH; presets are {preset_names()}")
    if harvest is not None:
        changed = select_harvest(harvest, listed_values(held_out))
    else:
        if held_out:
            raise ConfigurationError(f"--held-out {held_out} belongs to --harvest; a preset lists its own values")
        changed = select_preset(str(name))
    typer.echo(f"params.yaml: sweep {load_config().name}{'' if changed else ', as it was'}")


@app.command()
def check() -> None:
    """Validate params.yaml and its source data, before anything is trained."""
    from pipeline.stages.check import check as check_sweep

    config = load_config()
    check_sweep(config)
    typer.echo(f"params.yaml: sweep {config.name} is well")


@app.command("check-fit")
def check_fit(
    harvest: Annotated[Path, typer.Argument(help="Folder of a harvest.")],
    held_out: Annotated[str, typer.Option(help="Values to judge by; else anchors are left out in turn.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Of the division of conditions, and of the fits.")] = 0,
) -> None:
    """Say from the figures whether a surrogate is of use for a harvest; writes nothing."""
    from pipeline.data.harvest import Harvest
    from pipeline.evaluation.advice import advise
    from pipeline.evaluation.methods.catalog import by_name
    from pipeline.stages.presets import held_out_of, listed_values

    loaded = Harvest.load(harvest)
    found = advise(loaded, held_out_of(loaded, listed_values(held_out)), seed)
    known, several = by_name(), len(loaded.schema.hyperparameters)
    for standing in found.standings:
        interval = "" if standing.interval is None else f"[{standing.interval[0]:.3g}, {standing.interval[1]:.3g}]"
        typer.echo(
            f"{known[standing.method].label_for(several):<42} {standing.mean:>9.4g} {interval:<20} {standing.verdict}"
        )
    for sentence in found.sentences:
        typer.echo(sentence)


@app.command(cls=StageCommand)
def raw(
    file: Annotated[str | None, typer.Argument(help=f"A file of the package vega_datasets. {BY_DVC}")] = None,
) -> None:
    """Copy a bundled file to data/raw/."""
    from pipeline.stages import raw as stage

    stage.run(asked_for("raw", file))


@app.command(cls=StageCommand)
def ingest() -> None:
    """Turn the source into data/NAME/data."""
    from pipeline.stages import ingest as stage

    stage.run(load_config())


@app.command(context_settings=NUMBER, cls=StageCommand)
def train(value: Value = None) -> None:
    """Train the network of one λ: data/NAME/networks/VALUE."""
    from pipeline.stages import train as stage

    stage.run(load_config(), asked_for("train", value))


@app.command(context_settings=NUMBER, cls=StageCommand)
def harvest(value: Value = None) -> None:
    """Evaluate the network of one λ: data/NAME/harvest/VALUE."""
    from pipeline.stages import harvest as stage

    stage.run(load_config(), asked_for("harvest", value))


@app.command(cls=StageCommand)
def warm(
    network: Annotated[str | None, typer.Argument(help=f"One of warm.links: up_5.0. {BY_DVC}")] = None,
) -> None:
    """Train an anchor's network from its neighbour's: data/NAME/networks/NETWORK."""
    from pipeline.stages import warm as stage

    stage.run(load_config(), asked_for("warm", network))


@app.command(cls=StageCommand)
def chain(
    name: Annotated[str | None, typer.Argument(help=f"One of warm.chains: own, up, down. {BY_DVC}")] = None,
) -> None:
    """Judge the anchors' networks of a chain, and harvest what it retrained: data/NAME/harvest/NAME."""
    from pipeline.stages import chain as stage

    stage.run(load_config(), asked_for("chain", name))


@app.command(context_settings=NUMBER, cls=StageCommand)
def retrain(network: Again = None) -> None:
    """Train a network again from another seed: data/NAME/retrained/NETWORK."""
    from pipeline.stages import retrain as stage

    stage.run(load_config(), asked_for("retrain", network))


@app.command(context_settings=NUMBER, cls=StageCommand)
def reharvest(network: Again = None) -> None:
    """Evaluate a network that was trained again: data/NAME/harvest/NETWORK."""
    from pipeline.stages import reharvest as stage

    stage.run(load_config(), asked_for("reharvest", network))


@app.command(cls=StageCommand)
def conditioned(
    name: Annotated[str | None, typer.Argument(help=f"One of conditioned.ranges: all. {BY_DVC}")] = None,
) -> None:
    """Train one network of all λ of a range: data/NAME/harvest/conditioned."""
    from pipeline.stages import conditioned as stage

    config = load_config()
    ends = config.conditioned.of(asked_for("conditioned", name))
    stage.run(config, ends.lowest, ends.highest)


@app.command(cls=StageCommand)
def dataset() -> None:
    """Gather what is fitted on and what is scored on: data/NAME/dataset."""
    from pipeline.stages import dataset as stage

    stage.run(load_config())


@app.command(cls=StageCommand)
def fit() -> None:
    """Fit the surrogate: data/NAME/surrogate."""
    from pipeline.stages import fit as stage

    stage.run(load_config())


@app.command(cls=StageCommand)
def timing() -> None:
    """Time the answers of the surrogate and of what nobody fits: data/NAME/timing.json."""
    from pipeline.stages import timing as stage

    stage.run(load_config())


@app.command("leave_out", cls=StageCommand)
def leave_out() -> None:
    """Predict every interior anchor without itself: data/NAME/left_out.json."""
    from pipeline.stages import leave_out as stage

    stage.run(load_config())


@app.command(cls=StageCommand)
def compare() -> None:
    """Fit what one could do instead of the surrogate, and score it at the held-out λ: data/NAME/comparison.json."""
    from pipeline.stages import compare as stage

    stage.run(load_config())


@app.command(cls=StageCommand)
def validate() -> None:
    """Score the surrogate at the held-out λ, beside baselines: data/NAME/validation."""
    from pipeline.stages import validate as stage

    stage.run(load_config())


@app.command(cls=StageCommand)
def register(record: Annotated[list[Path] | None, typer.Option(help="A file that the run keeps.")] = None) -> None:
    """Register the surrogate in MLflow: data/NAME/registration.json."""
    from pipeline.stages import register as stage

    stage.run(load_config(), record or [])


@app.command(context_settings=ANYTHING, cls=StageCommand)
def exp(context: typer.Context) -> None:
    """`dvc exp run` with the same arguments (-S fit.variant=K_theta validate); params.yaml is kept where it fails."""
    from pipeline.stages import experiment

    raise typer.Exit(experiment.run(context.args))


@app.command()
def rollback() -> None:
    """Put the champion of the configured model back to the version before."""
    from pipeline.stages.register import rollback as roll_back

    done = roll_back(load_config())
    typer.echo(f"{done.model}: champion is version {done.version} again (was {done.former})")


if __name__ == "__main__":
    app(prog_name="python -m pipeline")
