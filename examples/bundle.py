"""A surrogate on disk: saved without a pickle, loaded elsewhere, asked for a whole path of values of λ.

Run it by ``python -m examples.bundle [FOLDER]``.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from examples.arrays import harvest
from pipeline import Surrogate, SurrogateConfig


def save_and_load(folder: Path) -> Surrogate:
    """Fit, save the bundle (JSON and safetensors), and load it again."""
    fitted = Surrogate.fit(harvest(), SurrogateConfig(variant="K_I", clock="linear", map_steps=50))
    fitted.save(folder)
    return Surrogate.load(folder)


def main() -> None:
    """Print where three samples of the first anchor stand at every λ of a grid."""
    with tempfile.TemporaryDirectory() as scratch:
        surrogate = save_and_load(Path(sys.argv[1] if len(sys.argv) > 1 else scratch) / "surrogate")
    source, grid = harvest(), np.linspace(0, 1, 5).tolist()
    path = surrogate.path(source.outputs[0][:3], source.conditions[0][:3], 0.0, grid)  # (N, M, D)
    for value, outputs in zip(grid, path[:, :, 0].T, strict=True):
        sys.stdout.write(f"λ = {value:.2f}: {np.round(outputs, 2)}\n")


if __name__ == "__main__":
    main()
