"""A stage's work and its checkpoints: where they are, and what has to be the same for one to be of use."""

import hashlib
import json
import os
import platform
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pipeline.storage.checkpoint import Work, kept_work
from pipeline.storage.checkpoint_files import clear_old
from pipeline.storage.files import file_checksums

FOLDER = Path(".checkpoints")
"""In the checkout, beside the outputs: DVC deletes these before a stage runs."""
CODE = Path(__file__).parents[1]


def stage_work(
    root: Path, name: Path, settings: Mapping[str, Any], inputs: Sequence[Path]
) -> AbstractContextManager[Work]:
    """The work of a stage, whose checkpoints are removed at its end; write its outputs within.

    name: of the sweep and of what the stage makes in it, one work of each. settings: all that the stage reads of
    params.yaml, as JSON. inputs: folders that it reads, below root. All of them, this package's code and the
    environment decide the result: a checkpoint with others is removed, and so are those that nobody has continued for a
    fortnight.
    """
    checkpoints = root / FOLDER
    clear_old(checkpoints)
    return kept_work(checkpoints / name, lambda: digest_of(settings, [root / path for path in inputs]))


def digest_of(settings: Mapping[str, Any], inputs: Sequence[Path]) -> str:
    """SHA-256 of settings, input files, code and environment."""
    document = {
        "settings": settings,
        "inputs": [file_checksums(path) for path in inputs],
        "code": {name: digest for name, digest in file_checksums(CODE).items() if name.endswith(".py")},
        "environment": environment(),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def environment() -> dict[str, Any]:
    """What decides how numbers are computed: Python, packages and their versions, threads, the processor's kind."""
    import torch

    packages = Path(sysconfig.get_path("purelib")).glob("*.dist-info")
    return {
        "python": sys.version,
        "packages": sorted(path.name for path in packages),
        "threads": [torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")],
        "machine": [platform.machine(), torch.backends.cpu.get_cpu_capability()],
        "devices": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }
