"""A batch job: a table of any length in, a table out, in portions of constant memory.

Run it by ``python -m examples.batch [ROWS]``. ``sweep-to-surrogate sample`` is the same from a shell.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from examples.own_family import fitted
from pipeline.consumers.stream import Question, sample_file


def main() -> None:
    """Ask for every row of a Parquet file at two prices."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "rooms.parquet", Path(scratch) / "power.parquet"
        pd.DataFrame({"temperature": np.linspace(10, 30, rows)}).to_parquet(source)
        written = sample_file(fitted(), source, target, Question({"price": [0.5, 2.0]}))
        answer = pd.read_parquet(target)
    exact = (20 - np.linspace(10, 30, rows)[answer["row"]]) / (1 + answer["price"])
    sys.stdout.write(f"rows written: {written}\n")
    sys.stdout.write(f"largest error in kW: {np.abs(answer['power'] - exact).max():.2f}\n")


if __name__ == "__main__":
    main()
