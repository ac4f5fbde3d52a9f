"""The consumers' commands: draws for a file, what a model is, one condition's path, the best λ for an objective.

Each takes MODEL, models:/NAME@ALIAS or a bundle's folder. Libraries are imported inside: `--help` needs none of them.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipeline.registry.bundle import Found
    from pipeline.surrogate import Surrogate

app = typer.Typer()

MODEL = "models:/NAME@champion, models:/NAME/VERSION, or the folder of a bundle."
Model = Annotated[str, typer.Argument(help=MODEL)]
Conditions = Annotated[Path, typer.Option(help="CSV or Parquet with a column for each condition.")]
At = Annotated[list[str] | None, typer.Option(help="λ, as quantile=0.3 or quantile=0.1,0.5; may come several times.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the draws.")]


@contextmanager
def loaded(model: str) -> "Iterator[tuple[Surrogate, Found]]":
    """A model's surrogate, and where its bundle was found; warnings within are lines on stderr, each once."""
    from pipeline.registry.bundle import find_bundle
    from pipeline.surrogate import Surrogate

    with _plain_warnings(), find_bundle(model) as found:
        yield Surrogate.load(found.folder), found


@contextmanager
def _plain_warnings() -> Iterator[None]:
    told: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if (text := str(message)) not in told:
            told.add(text)
            sys.stderr.write(f"warning: {text}\n")  # typer.echo writes past a progress bar, into its line

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield


@app.command()
def sample(
    model: Annotated[str, typer.Option(help=MODEL)],
    conditions: Conditions,
    output: Annotated[Path, typer.Option(help="CSV or Parquet to write, by its ending.")],
    at: At = None,
    draws: Annotated[int, typer.Option(min=1, help="Draws of each row and λ.")] = 1,
    seed: Seed = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse λ that the certificate does not trust.")] = False,
) -> None:
    """Draw outputs for every row of a file, in portions: λ from --at, or from columns of the file."""
    from pipeline.consumers.stream import Question, read_values, sample_file
    from pipeline.storage.progress import showing

    question = Question(read_values(at or []), draws, seed, strict)
    with loaded(model) as (surrogate, _), showing("sample"):
        written = sample_file(surrogate, conditions, output, question)
    typer.echo(f"{output}: {written:,} rows")


@app.command()
def recommend(
    model: Model,
    conditions: Conditions,
    objective: Annotated[str, typer.Option(help="Over outputs, conditions, other columns and λ: 'abs(y0 - 2) + y1'.")],
    per: Annotated[
        str, typer.Option(help="One λ for all rows, each row or each value: overall, row, group=COLUMN.")
    ] = ("overall"),
    maximise: Annotated[bool, typer.Option("--maximise/--minimise", help="What is best.")] = False,
    draws: Annotated[int, typer.Option(min=1, help="Draws of each row, the same at every λ.")] = 64,
    seed: Seed = 0,
    output: Annotated[Path | None, typer.Option(help="CSV or Parquet to write the table to.")] = None,
) -> None:
    """Find the λ that is best in expectation, what cannot be told from it, and whether it is trusted there."""
    from pipeline.consumers.recommend_table import recommend_for
    from pipeline.consumers.tables import format_of, table_writer
    from pipeline.storage.progress import showing
    from sweep_to_surrogate.tables import print_frame

    if output is not None:
        format_of(output)  # before the work
    with loaded(model) as (surrogate, _), showing("recommend"):
        found = recommend_for(surrogate, conditions, objective, per, maximise=maximise, draws=draws, seed=seed)
    names = [column.name for column in surrogate.schema.hyperparameters]
    print_frame(found, [f"{name}_{end}" for name in names for end in ("low", "high")])
    if output is not None:
        with table_writer(output) as write:
            write(found)
        typer.echo(f"{output}: {len(found):,} rows")


@app.command()
def inspect(
    model: Model,
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as JSON on stdout.")] = False,
) -> None:
    """Say what a model is: λ and its anchors, columns, certificate, broken intervals, scores, digest."""
    import json

    from pipeline.registry.facts import facts
    from sweep_to_surrogate.description import print_facts

    with loaded(model) as (surrogate, found):
        told = facts(surrogate, found.version)
    if as_json:
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_facts(told)


@app.command()
def explain(
    model: Model,
    conditions: Conditions,
    row: Annotated[int, typer.Option(min=0, help="Of the file, from 0.")] = 0,
    at: Annotated[list[str] | None, typer.Option(help="Of several hyperparameters all but one: noise=0.5.")] = None,
    steps: Annotated[int, typer.Option(min=2, help="Values of λ, beside the anchors.")] = 41,
    draws: Annotated[int, typer.Option(min=1, help="Draws that a mean and a band are of.")] = 64,
    seed: Seed = 0,
    png: Annotated[Path | None, typer.Option(help="Picture to write.")] = None,
) -> None:
    """Show how the outputs at one condition move as λ moves: means, and the band of nine draws in ten."""
    from pipeline.consumers.explain import draw, follow, read_condition
    from pipeline.consumers.stream import read_values
    from pipeline.errors import ConfigurationError
    from sweep_to_surrogate.description import print_course

    fixed = read_values(at or [])
    if several := [name for name, values in fixed.items() if len(values) > 1]:
        raise ConfigurationError(f"--at gives {several} more than one value; fix each hyperparameter at one")
    with loaded(model) as (surrogate, _):
        condition = read_condition(surrogate, conditions, row)
        single = {name: value for name, (value,) in fixed.items()}
        course = follow(surrogate, condition, single, steps=steps, draws=draws, seed=seed)
    print_course(course, surrogate.schema)
    if png is not None:
        draw(surrogate, course, png)
        typer.echo(f"{png}: written")


@app.command()
def export(
    model: Model,
    output: Annotated[Path, typer.Option(help="Folder to write; an export that is there is replaced.")],
) -> None:
    """Write ONNX graphs, JSON and a reader that needs no torch; they are compared with the model first."""
    from pipeline.registry.exported import REQUIRED, write_reader

    with loaded(model) as (surrogate, _):
        write_reader(surrogate, output)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    typer.echo(f"{output}: {size / 1e6:.1f} MB; needs {output / REQUIRED} alone")


@app.command()
def page(
    model: Model,
    output: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("page.html"),
    conditions: Annotated[
        Path | None, typer.Option(help="CSV or Parquet with a column for each condition; else those of the truth.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Harvest with held-out λ; else that of the checkout, where it fits the model.")
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Serve it on loopback, for any condition and λ.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="With --serve.")] = 8000,
) -> None:
    """Make a page on which one moves λ: one file that works offline; with --serve, it answers for any condition."""
    from pipeline.consumers.tables import read_table
    from pipeline.data.harvest import Harvest
    from pipeline.page.html import write_page
    from pipeline.page.live import HOST, serve_page
    from pipeline.page.shown import Shown
    from pipeline.page.truth import score_harvest
    from pipeline.registry.bundle import example_conditions
    from pipeline.serving.frames import read_conditions
    from pipeline.storage.progress import showing

    with loaded(model) as (surrogate, found):
        columns = surrogate.schema.conditions
        names = [column.name for column in columns]
        rows = None
        if conditions is not None:
            table = read_table(conditions)
            rows = read_conditions(table[[name for name in table.columns if name in names]], columns)
        if truth is None and rows is None:
            truth = score_harvest(Path(), surrogate.digest)
            rows = example_conditions(found, names) if truth is None else None
        shown = Shown.of(surrogate, rows, None if truth is None else Harvest.load(truth), live=serve)
        title = model if found.version is None else f"{found.version.model}, version {found.version.number}"
        if serve:
            typer.echo(f"http://{HOST}:{port}/ (end it with Ctrl-C)")
            serve_page(shown, title, port)
        else:
            with showing("page"):
                written = write_page(output, shown, title)
            held_out = f"; truth from {truth}" if truth is not None else "; no held-out truth: name one by --truth"
            typer.echo(f"{written}: {len(shown.explorer.panels)} conditions{held_out}")
