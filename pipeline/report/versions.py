"""The versions that a validation ran with: what its figures may depend on beside the data."""

import platform
from importlib.metadata import PackageNotFoundError, version

DISTRIBUTIONS = ("sweep-to-surrogate", "torch", "POT")


def versions() -> dict[str, str]:
    """Versions by name: Python's, and those of what computes."""
    return {"Python": platform.python_version()} | {name: _version(name) for name in DISTRIBUTIONS}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "not installed as a package"
