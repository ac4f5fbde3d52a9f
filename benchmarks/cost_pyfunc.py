"""What an answer costs through MLflow: beside an empty model with the same signature, and the bare networks."""

import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from benchmarks.cost_serving import STARTS, best_of_turns
from benchmarks.recommend import cases, fit
from benchmarks.record import CHECKOUT, Record, Rows, Task
from benchmarks.table import Criterion, criteria, measured, median_of
from pipeline.export.reader import ExportedSurrogate
from pipeline.export.write import write_export
from pipeline.families.protocol import Data
from pipeline.serving.flavour import Flavour

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.surrogate import Surrogate
    from pipeline.surrogate.answering import Answering

TITLE = "Cost of a served answer"
SEEDS = 3
CASE, VALUE = "newsvendor", 0.3
BATCHES = {1: "one row", 1_000: "1,000 rows"}
MANY, BLOCK = 1_000_000, 100_000
FLAVOURS = get_args(Flavour)
EMPTY = """
import mlflow
import pandas as pd
from mlflow.pyfunc.model import PythonModel


class Empty(PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        return model_input


mlflow.models.set_model(Empty())
"""
RUNTIME = {"torch": "torch", "onnx": "onnxruntime"}
LOAD = """
import time
begun = time.perf_counter()
import mlflow.pyfunc, numpy, pandas, scipy, {runtime}, pydantic, safetensors
imported = time.perf_counter()
mlflow.pyfunc.load_model({path!r})
print(imported - begun, time.perf_counter() - imported)
"""
START = """
import time
import mlflow.pyfunc, pandas
model = mlflow.pyfunc.load_model({path!r})
model.predict(pandas.DataFrame({frame!r}), params={{"hyperparameter": {value}}})
print(time.time())
"""


def save_models(surrogate: "Surrogate", example: np.ndarray[Any, Any], folder: Path) -> tuple[dict[str, Path], Path]:
    """The surrogate as an MLflow model, by flavour, and one with its signature that answers with its input."""
    import mlflow.pyfunc

    from pipeline.registry.package import Candidate, save_model, signature

    surrogate.save(folder / "surrogate")
    for flavour in FLAVOURS:
        save_model(folder / flavour, Candidate(folder / "surrogate", surrogate, example, flavour=flavour))
    (folder / "empty.py").write_text(EMPTY)
    mlflow.pyfunc.save_model(
        str(folder / "empty"),
        python_model=str(folder / "empty.py"),
        signature=signature(surrogate),
        pip_requirements=["mlflow"],
    )
    return {flavour: folder / flavour for flavour in FLAVOURS}, folder / "empty"


def frame_of(surrogate: "Surrogate", rows: int, seed: int) -> "pd.DataFrame":
    """Conditions of the family, as a consumer has them."""
    import pandas as pd

    conditions = cases()[CASE].family.conditions(Data(), "score", rows, seed)
    return pd.DataFrame(conditions.astype(np.float64), columns=[c.name for c in surrogate.schema.conditions])


def answers(seed: int) -> Rows:
    """Milliseconds of a call through MLflow, of the empty model, and of both anchors' networks on the same rows."""
    import mlflow.pyfunc

    surrogate, rows = fit(cases()[CASE], seed), {}
    networks = _networks(surrogate)
    with TemporaryDirectory() as scratch:
        example = frame_of(surrogate, 2, seed).to_numpy()
        paths, path = save_models(surrogate, example, Path(scratch))
        served = [mlflow.pyfunc.load_model(str(paths[flavour])) for flavour in FLAVOURS]
        empty, params = mlflow.pyfunc.load_model(str(path)), {"hyperparameter": VALUE}
        for batch, label in BATCHES.items():
            frame = frame_of(surrogate, batch, seed)
            bare = frame.to_numpy(np.float32)
            schema, asked, *whole = best_of_turns(
                [
                    partial(empty.predict, frame, params=params),
                    lambda bare=bare: [network.outputs(bare, 1, 0) for network in networks],  # type: ignore[misc]
                    *(partial(model.predict, frame, params=params) for model in served),
                ]
            )
            for flavour, seconds in zip(FLAVOURS, whole, strict=True):
                rows[f"{label}, {flavour}"] = {
                    "served": 1000 * seconds,
                    "empty": 1000 * schema,
                    "bare": 1000 * asked,
                    "ratio": seconds / (schema + asked),
                }
    return rows


def _networks(surrogate: "Surrogate") -> list[Any]:
    """The networks of the anchors around VALUE."""
    assert surrogate.networks is not None
    right = int(np.searchsorted(surrogate.anchors, VALUE))
    return [surrogate.networks[right - 1], surrogate.networks[right]]


def throughput(seed: int) -> Rows:
    """Rows a second of a million rows, in blocks, beside the bare networks; and what memory rose by."""
    surrogate = fit(cases()[CASE], seed)
    networks = _networks(surrogate)
    x = frame_of(surrogate, MANY, seed).to_numpy()
    blocks = [x[i : i + BLOCK] for i in range(0, MANY, BLOCK)]
    with TemporaryDirectory() as scratch:
        write_export(surrogate, Path(scratch) / "export")
        exported = ExportedSurrogate.load(Path(scratch) / "export")
    found = {"torch": _asked(surrogate, blocks), "onnx": _asked(exported, blocks)}
    begun = time.perf_counter()
    for block in blocks:
        for network in networks:
            network.outputs(block.astype(np.float32), 1, 0)
    bare = time.perf_counter() - begun
    return {
        flavour: {"served": MANY / whole, "bare": MANY / bare, "share": bare / whole, "rise": rise}
        for flavour, (whole, rise) in found.items()
    }


def _asked(surrogate: "Answering", blocks: Sequence[np.ndarray[Any, Any]]) -> tuple[float, float]:
    """Seconds to answer blocks of rows, and the MiB by which the process' memory rose."""
    surrogate.sample(blocks[0], VALUE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    for block in blocks:
        surrogate.sample(block, VALUE)
    return time.perf_counter() - begun, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def loads(seed: int) -> Rows:
    """Seconds to import what a model needs, to load it, of a process to its first answer, and to train a network."""
    surrogate = fit(cases()[CASE], seed)
    begun = time.perf_counter()
    cases()[CASE].family.train(Data(), VALUE, seed)
    trained = time.perf_counter() - begun
    rows = {}
    with TemporaryDirectory() as scratch:
        example = frame_of(surrogate, 2, seed)
        paths, _ = save_models(surrogate, example.to_numpy(), Path(scratch))
        for flavour, path in paths.items():
            load = LOAD.format(path=str(path), runtime=RUNTIME[flavour])
            start = START.format(path=str(path), frame=example.to_dict("list"), value=VALUE)
            seconds = [[*map(float, _run(load).split()[-2:]), _until_answer(start)] for _ in range(STARTS)]
            imports, loaded, started = (median(values) for values in zip(*seconds, strict=True))
            ratio = (imports + loaded) / imports
            rows[flavour] = {"import": imports, "load": loaded, "ratio": ratio, "start": started, "train": trained}
    return rows


def _run(script: str) -> str:
    """What a script prints, in a process of its own."""
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout


def _until_answer(script: str) -> float:
    """Seconds from the start of a process to the time that its script prints."""
    begun = time.time()
    return float(_run(script).split()[-1]) - begun


def measure(record: Record, seeds: int, processes: int) -> None:
    """Everything by every seed of the networks; one thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name, work in (("answers", answers), ("a million rows", throughput), ("load", loads)):
            record.measure(Task(name, seed, work, (seed,)) for seed in range(seeds))
    finally:
        torch.set_num_threads(threads)


def section(record: Record) -> str:
    """The tables, and the targets."""
    calls = {"served": "served, ms", "empty": "empty model, ms", "bare": "two networks, ms", "ratio": "ratio"}
    many = {"served": "rows a second", "bare": "of the networks", "share": "share", "rise": "memory, MiB"}
    load = {
        "import": "imports, s",
        "load": "load, s",
        "ratio": "both / imports",
        "start": "process to first answer, s",
        "train": "training one network, s",
    }
    labels = [f"{label}, {flavour}" for label in BATCHES.values() for flavour in FLAVOURS]
    quickest = min(median_of(record, "answers", label, "served") for label in labels[: len(FLAVOURS)])
    factor = median_of(record, "load", FLAVOURS[0], "train") / (quickest / 1000)
    return "\n".join(
        [
            f"The newsvendor's networks (three of 1,200 weights), λ = {VALUE}, served by either flavour; the ratio is "
            "to an empty MLflow model with the same signature plus torch's networks of the two anchors. One thread.\n",
            measured(record, "answers", calls, {label: label for label in labels}),
            criteria(
                Criterion(
                    f"{label} / (empty model + networks)",
                    median_of(record, "answers", label, "ratio"),
                    high=2 if label.startswith(BATCHES[1]) else 1.3,
                )
                for label in labels
            ),
            measured(
                record, "a million rows", many, {f: f"{MANY:,} rows in blocks of {BLOCK:,}, {f}" for f in FLAVOURS}
            ),
            criteria(
                Criterion(f"share of the throughput, {f}", median_of(record, "a million rows", f, "share"), low=0.8)
                for f in FLAVOURS
            ),
            measured(record, "load", load, {f: f"{f}, the median of {STARTS} processes" for f in FLAVOURS}),
            criteria(
                [
                    *(
                        Criterion(f"load and imports / imports, {f}", median_of(record, "load", f, "ratio"), high=1.2)
                        for f in FLAVOURS
                    ),
                    Criterion("onnx, process to first answer, s", median_of(record, "load", "onnx", "start"), high=3),
                ]
            ),
            f"An answer is {factor:,.0f} times as quick as training that network.\n",
        ]
    )
