"""Where a checkout has the data of a surrogate that it has registered."""

from pathlib import Path

from pipeline.errors import BundleError
from pipeline.storage.files import read_json

REGISTRATION = "registration.json"


def score_harvest(root: Path, digest: str) -> Path | None:
    """The harvest that a surrogate was scored on, by the surrogate's digest; None where this checkout has none."""
    for path in sorted(root.glob(f"data/*/{REGISTRATION}")):
        try:
            registered = read_json(path, "registration")
        except BundleError:
            continue  # a sweep that is being written: not this one's
        score = path.parent / "dataset" / "score"
        if registered.get("digest") == digest and score.is_dir():
            return score
    return None
