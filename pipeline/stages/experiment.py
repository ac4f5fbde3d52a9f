"""`dvc exp run`, after which params.yaml is what it was where the experiment failed.

DVC writes the settings of an experiment into the workspace before it runs anything, and leaves them there when a stage
refuses them.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.stages.params import PARAMS
from pipeline.storage.atomic import atomic_file


def run(arguments: Sequence[str], root: Path = Path()) -> int:
    """Run `dvc exp run` with these arguments; its exit status, and params.yaml restored where that is not 0."""
    path = root / PARAMS
    before = path.read_bytes()
    status = 1
    try:
        status = subprocess.run(
            [sys.executable, "-m", "dvc", "exp", "run", *arguments], cwd=root, check=False
        ).returncode
    finally:
        if status and path.read_bytes() != before:
            with atomic_file(path) as temporary:
                temporary.write_bytes(before)
    return status
