"""How large an answer may be."""

from collections.abc import Mapping

from pipeline.data.schema import Schema
from pipeline.errors import ConfigurationError

ANSWER_ROWS = "answer_rows"
"""The key of the limit, rows × values of λ × draws, in a model's metadata and settings."""
VARIABLE = "SURROGATE_ANSWER_ROWS"
"""The environment variable that sets another limit where a model is loaded."""
CELLS = 4_000_000
"""Numbers in an answer without a limit of its own: below 2 GB while MLflow's server writes them as JSON."""


def default_limit(schema: Schema) -> int:
    """The rows of an answer of CELLS numbers: row, draw and the outputs."""
    return max(1, CELLS // (2 + len(schema.outputs)))


def read_limit(environment: Mapping[str, str], saved: int) -> int:
    """The limit of the environment, or the one that the model was saved with; ConfigurationError where it is none."""
    text = environment.get(VARIABLE, "")
    if not text:
        return saved
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise ConfigurationError(f"{VARIABLE} = {text!r}; a whole number of at least 1 is needed")
    return int(text)
