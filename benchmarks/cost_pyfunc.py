"""What an answer costs through MLflow: beside an empty model with the same signature, and the bare networks."""

import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.cost_serving import STARTS, best_of_turns
from benchmarks.recommend import cases, fit
from benchmarks.record import CHECKOUT, Record, Rows, Task
from benchmarks.table import Criterion, criteria, measured, median_of
from pipeline.families.protocol import Data

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.surrogate import Surrogate

TITLE = "Cost of a served answer"
SEEDS = 3
CASE, VALUE = "newsvendor", 0.3
BATCHES = {1: "one row", 1_000: "1,000 rows"}
MANY, BLOCK = 1_000_000, 100_000
EMPTY = """
import mlflow
import pandas as pd
from mlflow.pyfunc.model import PythonModel


class Empty(PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        return model_input


mlflow.models.set_model(Empty())
"""
LOAD = """
import time
begun = time.perf_counter()
import mlflow.pyfunc, numpy, pandas, scipy, torch, pydantic, safetensors
imported = time.perf_counter()
mlflow.pyfunc.load_model({path!r})
print(imported - begun, time.perf_counter() - imported)
"""


def save_both(surrogate: "Surrogate", example: np.ndarray[Any, Any], folder: Path) -> tuple[Path, Path]:
    """The surrogate as an MLflow model, and one with its signature that answers with its input."""
    import mlflow.pyfunc

    from pipeline.registry.package import Candidate, save_model, signature

    surrogate.save(folder / "surrogate")
    save_model(folder / "model", Candidate(folder / "surrogate", surrogate, example))
    (folder / "empty.py").write_text(EMPTY)
    mlflow.pyfunc.save_model(
        str(folder / "empty"),
        python_model=str(folder / "empty.py"),
        signature=signature(surrogate),
        pip_requirements=["mlflow"],
    )
    return folder / "model", folder / "empty"


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
        paths = save_both(surrogate, example, Path(scratch))
        served, empty = (mlflow.pyfunc.load_model(str(path)) for path in paths)
        params = {"hyperparameter": VALUE}
        for batch, label in BATCHES.items():
            frame = frame_of(surrogate, batch, seed)
            bare = frame.to_numpy(np.float32)
            whole, schema, asked = best_of_turns(
                [
                    lambda frame=frame: served.predict(frame, params=params),  # type: ignore[misc]
                    lambda frame=frame: empty.predict(frame, params=params),  # type: ignore[misc]
                    lambda bare=bare: [network.outputs(bare, 1, 0) for network in networks],  # type: ignore[misc]
                ]
            )
            rows[label] = {
                "served": 1000 * whole,
                "empty": 1000 * schema,
                "bare": 1000 * asked,
                "ratio": whole / (schema + asked),
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
    surrogate.sample(blocks[0], VALUE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    for block in blocks:
        surrogate.sample(block, VALUE)
    whole = time.perf_counter() - begun
    rise = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    begun = time.perf_counter()
    for block in blocks:
        for network in networks:
            network.outputs(block.astype(np.float32), 1, 0)
    bare = time.perf_counter() - begun
    return {"many": {"served": MANY / whole, "bare": MANY / bare, "share": bare / whole, "rise": rise}}


def loads(seed: int) -> Rows:
    """Seconds to import what a model needs, and to load it; and to train one network instead."""
    surrogate = fit(cases()[CASE], seed)
    begun = time.perf_counter()
    cases()[CASE].family.train(Data(), VALUE, seed)
    trained = time.perf_counter() - begun
    with TemporaryDirectory() as scratch:
        path, _ = save_both(surrogate, frame_of(surrogate, 2, seed).to_numpy(), Path(scratch))
        seconds = []
        for _ in range(STARTS):
            command = [sys.executable, "-c", LOAD.format(path=str(path))]
            done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
            seconds.append([float(value) for value in done.stdout.split()[-2:]])
    imports, loaded = (median(values) for values in zip(*seconds, strict=True))
    whole = (imports + loaded) / imports
    return {"load": {"import": imports, "load": loaded, "ratio": whole, "train": trained}}


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
    load = {"import": "imports, s", "load": "load, s", "ratio": "both / imports", "train": "training one network, s"}
    one, thousand = (median_of(record, "answers", label, "ratio") for label in BATCHES.values())
    factor = median_of(record, "load", "load", "train") / (median_of(record, "answers", "one row", "served") / 1000)
    return "\n".join(
        [
            f"The newsvendor's networks (three of 1,200 weights), λ = {VALUE}; the ratio is to an empty MLflow model "
            "with the same signature plus the networks of the two anchors. One thread.\n",
            measured(record, "answers", calls, {label: label for label in BATCHES.values()}),
            criteria(
                [
                    Criterion("one row / (empty model + networks)", one, high=2),
                    Criterion("1,000 rows / (empty model + networks)", thousand, high=1.3),
                ]
            ),
            measured(record, "a million rows", many, {"many": f"{MANY:,} rows in blocks of {BLOCK:,}"}),
            criteria(
                [Criterion("share of the throughput", median_of(record, "a million rows", "many", "share"), low=0.8)]
            ),
            measured(record, "load", load, {"load": f"a fresh process, the median of {STARTS}"}),
            criteria([Criterion("load and imports / imports", median_of(record, "load", "load", "ratio"), high=1.2)]),
            f"An answer is {factor:,.0f} times as quick as training that network.\n",
        ]
    )
