"""Command line of the flows: ``python -m flows run``, ``deploy`` and ``stop``, in the root of a checkout."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from flows.dvc_repo.lock_file import LOCK
from flows.environment import settle
from flows.parameters import EngineName, SweepRun
from pipeline.errors import ConfigurationError, SweepError
from pipeline.storage.lease import run_lease

if TYPE_CHECKING:
    from flows.report.summary import Summary

app = typer.Typer(
    help="Run the sweep, or serve it: when, where and how often stages run.", add_completion=False, no_args_is_help=True
)

Port = Annotated[int, typer.Option(min=1, max=65535, help="Port of the server, on loopback.")]
REFUSED = 3
"""The exit status of a run that ended well and whose surrogate did not: 1 is an error, 2 a wrong option."""
DRIFTED = 4
"""The exit status of a check that found drift."""


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
        # A first run has something to do, and creates the server's database: that may begin at once. Anchors are added
        # to what has run before: where nothing has, that is refused, and no server is needed.
        waiting = None if wanted.add or (Path.cwd() / LOCK).exists() else _start_prefect()
        config = select(wanted, Path.cwd())  # Prefect takes seconds to start: report errors before
        if wanted.add:  # now in params.yaml; a preset, written again, would take it out
            wanted = wanted.model_copy(update={"sweep": None, "add": []})
        _run(wanted, Path.cwd() / config.folder, waiting, dispatch=dispatch)


def _start_prefect() -> Callable[[], None]:
    """Start a temporary server where none runs; what waits until it answers."""
    from flows.interrupts import end_at_once, end_on_signals
    from flows.server.processes import use_running_server
    from flows.server.temporary import start_temporary_server

    use_running_server(Path.cwd())
    end_on_signals()
    typer.echo("Starting Prefect ...", err=True)
    return start_temporary_server(lambda: end_at_once("the Prefect server has ended before the run did"))


def _run(wanted: SweepRun, folder: Path, waiting: Callable[[], None] | None, *, dispatch: bool) -> None:
    """Run the flow, and show what it came to; without a server that would see it, only where there is something to do.

    folder: the data of the sweep. waiting: what waits for the server, where that has been started.
    """
    from flows.server.processes import use_running_server
    from flows.server.temporary import is_needed

    if waiting is None:
        use_running_server(Path.cwd())
        if is_needed() and not wanted.force:
            typer.echo("Asking DVC what is out of date ...", err=True)
            if (earlier := _finished(folder)) is not None:
                _show(earlier)
                return
    wait_for_server = waiting or _start_prefect()
    from flows.report.progress import lines_in_terminal
    from flows.report.summary import Summary
    from flows.report.terminal import show_progress_only
    from flows.sweep_to_surrogate import sweep_to_surrogate

    wait_for_server()
    with lines_in_terminal(show_progress_only()):
        summary = sweep_to_surrogate(wanted, dispatch=dispatch)
    assert isinstance(summary, Summary)  # Prefect hands out what a returned state holds
    _show(summary)


def _finished(folder: Path) -> "Summary | None":
    """What an earlier run came to, where nothing is out of date."""
    from flows.report.summary import summarise
    from flows.unchanged import nothing_to_do

    outcomes = nothing_to_do(Path.cwd(), folder, lambda line: typer.echo(line, err=True))
    return None if outcomes is None else summarise(folder, outcomes)


def _show(summary: "Summary") -> None:
    from flows.report.terminal import show

    show(summary)
    if not summary.registration.passed:
        raise typer.Exit(REFUSED)


@app.command()
def drift(
    threshold: Annotated[float, typer.Option(min=1, help="Times the registered error that are drift.")] = 1.5,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the fresh conditions; else another every day.")] = None,
) -> None:
    """Check the champion on fresh samples, against the errors that it was registered with.

    Exit status 0: as registered; 4: it has drifted; 1: something failed.
    """
    from flows.interrupts import end_at_once, end_on_signals
    from flows.server.processes import use_running_server
    from flows.server.temporary import start_temporary_server

    use_running_server(Path.cwd())
    end_on_signals()
    wait_for_server = start_temporary_server(lambda: end_at_once("the Prefect server has ended"))
    from flows.drift import drift as check
    from flows.report.terminal import show_drift, show_progress_only
    from flows.server.automations import DRIFTED as DRIFTED_STATE
    from pipeline.evaluation.drift import Drift

    wait_for_server()
    show_progress_only()
    state = check(threshold, seed, return_state=True)
    if state.is_failed() and state.name != DRIFTED_STATE:
        state.result()  # raises what went wrong
    found = state.result(raise_on_failure=False)
    assert isinstance(found, Drift)  # the state is one that the flow itself has made
    show_drift(found)
    if state.is_failed():
        raise typer.Exit(DRIFTED)


@app.command()
def deploy(
    port: Port = 4200,
    notify: Annotated[str | None, typer.Option(help="Webhook that failed runs are posted to; off: none.")] = None,
    units: Annotated[bool, typer.Option("--units", help="Write systemd units that outlive a reboot.")] = False,
) -> None:
    """Start a server on loopback and a worker for each pool, and deploy what prefect.yaml says."""
    from flows.server.processes import start
    from flows.server.units import install

    typer.echo((install if units else start)(Path.cwd(), port, notify))


@app.command()
def serve(port: Port = 4200) -> None:
    """Run the Prefect server in the foreground, as deploy and systemd start it."""
    from flows.server.deployment import serve as become_server

    become_server(port)


@app.command()
def publish(port: Port = 4200) -> None:
    """Tell the server, once it answers, what prefect.yaml says, as systemd does before workers start."""
    from flows.server.deployment import publish as tell
    from flows.server.deployment import server_url, wait_for

    wait_for(server_url(port), lambda: True, "its log")
    tell(Path.cwd(), server_url(port))


@app.command()
def work(pool: Annotated[str, typer.Argument(help="Pool whose runs it takes: cpu or gpu.")], port: Port = 4200) -> None:
    """Run this host's worker of a pool in the foreground, for the server on loopback or of PREFECT_API_URL."""
    from flows.server.deployment import server_url
    from flows.server.deployment import work as become_worker

    become_worker(Path.cwd(), server_url(port), pool)


@app.command()
def stop() -> None:
    """Stop the processes that ``deploy`` started, and no others."""
    from flows.server.processes import stop as end

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
