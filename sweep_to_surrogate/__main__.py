"""The command line `sweep-to-surrogate`, also `python -m sweep_to_surrogate`: every command in one place.

Commands of `python -m flows` and `python -m pipeline`, which DVC, Prefect and systemd call, are the same functions.
"""

from collections.abc import Callable
from typing import Any, cast

import typer
from typer.core import TyperCommand
from typer.models import CommandInfo

from flows.__main__ import app as flows
from pipeline.__main__ import Commands, StageCommand, exp
from pipeline.__main__ import app as stages
from sweep_to_surrogate.consumers import app as consumers

USE, RUN = "Use a surrogate", "Run a sweep, and deploy it"
CHOOSE, STAGES = "Choose and check a sweep", "Stages, as dvc.yaml calls them"
app = typer.Typer(
    cls=Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Sweep to surrogate: train at a few hyperparameter values, serve every value in between.",
)


def _adopt(source: typer.Typer, wanted: Callable[[CommandInfo], bool], panel: str) -> None:
    """Take those commands of another command line that are wanted, each behind what that does before its commands."""
    first = source.registered_callback
    before = (lambda: None) if first is None else cast(Callable[[], None], first.callback)
    for info in filter(wanted, source.registered_commands):
        assert info.callback is not None
        kind = _preceded(info.cls or TyperCommand, before)
        app.command(info.name, cls=kind, context_settings=info.context_settings, rich_help_panel=panel)(info.callback)


def _preceded(kind: type[TyperCommand], before: Callable[[], None]) -> type[TyperCommand]:
    """A kind of commands that do something first: when they run, so that `--help` answers in any folder."""

    class Preceded(kind):  # type: ignore[valid-type, misc]
        def invoke(self, ctx: Any) -> Any:
            before()
            return super().invoke(ctx)

    return Preceded


def _is_stage(info: CommandInfo) -> bool:
    return info.cls is StageCommand and info.callback is not exp


_adopt(consumers, lambda info: True, USE)
_adopt(flows, lambda info: True, RUN)
_adopt(stages, lambda info: not _is_stage(info), CHOOSE)
_adopt(stages, _is_stage, STAGES)


def main() -> None:
    """Run the command line; an error of the project is one message and exit status 1, any other keeps its traceback."""
    app(prog_name="sweep-to-surrogate")


if __name__ == "__main__":
    main()
