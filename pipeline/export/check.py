"""Whether an export answers as its surrogate does, in a process that cannot import torch."""

import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigurationError
from pipeline.surrogate.answering import Answering

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

TOLERANCE = 1e-5
"""The largest difference of draws, in standardised units."""
DRAWS, SEED = 2, 0
VALUES = 3
"""Values of λ in every cell that draws are compared at."""


def deviation(surrogate: "Surrogate", folder: Path, conditions: NDArray[np.float64]) -> float:
    """The largest difference of draws of the export in `folder` and of the surrogate, in standardised units.

    Raises ConfigurationError where the reader cannot answer without torch.
    """
    points = inside(surrogate)
    with tempfile.TemporaryDirectory() as scratch:
        asked, answered = Path(scratch) / "asked.npz", Path(scratch) / "answered.npy"
        np.savez(asked, conditions=conditions, points=points)
        command = [sys.executable, "-m", __name__, str(folder), str(asked), str(answered)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [""])[-1]
            raise ConfigurationError(f"the export cannot be read without torch: {last}; use the bundle")
        found = np.load(answered)
    wanted = draws_of(surrogate, conditions, points)
    return float((np.abs(found - wanted) / surrogate.trajectories.scaling.output_scale.numpy()).max(initial=0.0))


def inside(surrogate: "Surrogate") -> NDArray[np.float64]:
    """λ (M, P) inside every cell: mixtures of its corners."""
    mesh, shares = surrogate.mesh, np.linspace(0, 1, VALUES + 2)[1:-1]
    points = []
    for cell in range(mesh.cell_count):
        corners = np.array([mesh.vertices[corner] for corner in mesh.corners(cell)])
        points += [(1 - share) * corners[0] + share * corners[1:].mean(0) for share in shares]
    return np.array(points)


def draws_of(surrogate: Answering, conditions: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Draws (M, n, DRAWS, D) at conditions (n, C) and λ (M, P)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of where it is trusted: it is compared everywhere
        return np.stack([surrogate.sample(conditions, point, DRAWS, SEED) for point in points])


def main(folder: str, asked: str, answered: str) -> None:
    """What the other process does."""
    sys.modules["torch"] = None  # type: ignore[assignment]  # an import of it fails
    from pipeline.export.reader import ExportedSurrogate

    with np.load(asked, allow_pickle=False) as given:
        np.save(answered, draws_of(ExportedSurrogate.load(folder), given["conditions"], given["points"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
