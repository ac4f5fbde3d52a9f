"""Command line of the flows: ``python -m flows run``, ``deploy`` and ``stop``, in the root of a checkout."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from flows.environment import settle
from flows.parameters import EngineName, SweepRun
from pipeline.errors import ConfigurationError, SweepError
from pipeline.storage.lease import run_lease

app = typer.Typer(
    help="Run the sweep, or serve it: when, where and how often stages run.", add_completion=False, no_args_is_help=True
)

REFUSED = 3
"""The exit status of a run that ended well and whose surrogate did not: 1 is an error, 2 a wrong option."""


@app.callback()
def _in_checkout() -> None:
    root = Path.cwd()
    if not (root / "dvc.yaml").is_file():
        raise typer.BadParameter(f"{root} has no dvc.yaml; run this in the root of a checkout")
    settle(root)


@app.command()
def run(
    *,
    sweep: Annotated[str | None, typer.Option(help="Preset under sweeps/ to write into params.yaml.")] = None,
    harvest: Annotated[str | None, typer.Option(help="Folder of a harvest from disk.")] = None,
    held_out: Annotated[str, typer.Option(help="With --harvest: values to score at, as 0.25,0.75.")] = "",
    add: Annotated[str, typer.Option(help="λ to train as further anchors, as 0.3,0.6; auto: as the report says.")] = "",
    force: Annotated[bool, typer.Option(help="Run every stage, even where nothing changed.")] = False,
    max_parallel: Annotated[int | None, typer.Option(min=1, help="Stages at the same time.")] = None,
    dispatch: Annotated[bool, typer.Option(help="Send stages of another pool to its workers.")] = False,
    runner: Annotated[
        EngineName, typer.Option(help="Where stages run: threads (this machine), dask or ray.")
    ] = "threads",
    cluster: Annotated[str | None, typer.Option(help="Address of a running cluster; else one starts here.")] = None,
    wait: Annotated[bool, typer.Option(help="Queue while another run works in this checkout.")] = True,
) -> None:
    """Run what is out of date, from params.yaml to a registered surrogate; no server is needed.

    Exit status 0: the surrogate passed its gates; 3: it was registered, and a gate refused it; 1: something failed.
    """
    from flows.selection import select
    from pipeline.stages.added import wanted_values
    from pipeline.stages.presets import listed_values

    try:
        wanted = SweepRun(
            sweep=sweep,
            harvest=harvest,
            held_out=listed_values(held_out),
            add=wanted_values(add),
            force=force,
            max_parallel=max_parallel,
            runner=runner,
            cluster=cluster,
            wait=wait,
        )
    except ValidationError as error:
        raise ConfigurationError("; ".join(str(fault["ctx"]["error"]) for fault in error.errors())) from error
    with run_lease(Path.cwd(), "python -m flows run", wait=wait, say=lambda line: typer.echo(line, err=True)):
        select(wanted, Path.cwd())  # Prefect takes seconds to start: report errors before
        if wanted.add:  # now in params.yaml; a preset, written again, would take it out
            wanted = wanted.model_copy(update={"sweep": None, "add": []})
        _run(wanted, dispatch=dispatch)


def _run(wanted: SweepRun, *, dispatch: bool) -> None:
    """Run the flow, and show what it came to."""
    from flows.interrupts import end_at_once, end_on_signals
    from flows.server import use_running_server
    from flows.temporary_server import start_temporary_server

    use_running_server(Path.cwd())
    end_on_signals()
    typer.echo("Starting Prefect ...", err=True)
    wait_for_server = start_temporary_server(lambda: end_at_once("the Prefect server has ended before the run did"))
    from flows.progress import lines_in_terminal
    from flows.report import Summary
    from flows.sweep_to_surrogate import sweep_to_surrogate
    from flows.terminal import show, show_progress_only

    wait_for_server()
    with lines_in_terminal(show_progress_only()):
        summary = sweep_to_surrogate(wanted, dispatch=dispatch)
    assert isinstance(summary, Summary)  # Prefect hands out what a returned state holds
    show(summary)
    if not summary.registration.passed:
        raise typer.Exit(REFUSED)


@app.command()
def deploy(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the server, on loopback.")] = 4200,
) -> None:
    """Start a server on loopback and a worker for each pool, and deploy what prefect.yaml says."""
    from flows.server import start

    typer.echo(start(Path.cwd(), port))


@app.command()
def stop() -> None:
    """Stop the processes that ``deploy`` started, and no others."""
    from flows.server import stop as end

    typer.echo(end(Path.cwd()))


def main() -> None:
    """Run the command line; an error of the project is one message and exit status 1, any other keeps its traceback."""
    try:
        app()
    except SweepError as error:
        typer.echo(f"Error: {error}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
