"""Strict settings: the base of every section of params.yaml, and how a validation error is told."""

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationError

from pipeline.errors import ConfigurationError

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 120
_REPR.maxlong = 40

Seed = Annotated[int, Field(ge=0, lt=2**63)]
# Sizes have limits far beyond what any sweep needs: a slip of the keyboard is refused at once, and takes no memory.
Units = Annotated[int, Field(ge=1, le=16_384)]
"""Of a layer, a code, a basis, a window."""
Widths = Annotated[tuple[Units, ...], Field(min_length=1, max_length=64)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
"""Of what is held in memory at once: rows, conditions, draws, episodes, a batch."""
Steps = Annotated[int, Field(ge=1, le=1_000_000_000)]
"""Of what is done one after the other: batches, epochs, steps of a simulator."""
MOST_PART = 255
"""Bytes of a file's name; file systems take no more."""


def _path(given: str) -> str:
    if not given.isprintable():
        raise ValueError("a path has no line breaks and no control characters")
    if any(len(part.encode()) > MOST_PART for part in given.split("/")):
        raise ValueError(f"the name of a file has at most {MOST_PART} bytes")
    return given


FilePath = Annotated[str, Field(min_length=1, max_length=1_000), AfterValidator(_path)]
"""Absolute, or relative to the repository."""
MOST_VALUES = 1_000
"""λ of a sweep: a network each."""
Switch = Annotated[bool, Strict()]
"""true or false; YAML 1.2 reads yes and on as texts, and so does DVC."""


class Section(BaseModel):
    """A part of params.yaml: frozen, strict about its keys, and finite. Every whole number has an upper bound."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


MOST_CHARACTERS = 500_000
"""Of a settings file: a sweep of a thousand λ has fewer."""
MOST_SHOWN = 600
"""Characters of a message that says what is wrong with settings."""


def read_text(path: Path) -> str:
    """The text of a settings file; ConfigurationError where it is not UTF-8, or larger than any such file is."""
    if (size := path.stat().st_size) > 4 * MOST_CHARACTERS:  # bytes of a character
        raise ConfigurationError(f"{path} has {size:,} bytes; at most {MOST_CHARACTERS:,} characters are read")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 ({error}); save it in that encoding") from error


def explain(error: ValidationError, origin: str, prefix: str = "") -> str:
    """The validation errors of `origin`, one a line: field (after `prefix`), what is wrong, value."""
    count = error.error_count()
    lines = [f"{origin}: {count} validation error{'s' if count > 1 else ''}:"]
    room = MOST_SHOWN - len(lines[0])
    for number, fault in enumerate(error.errors(include_url=False)):
        line = _cut(_fault(fault, prefix), MOST_SHOWN // 2)
        room -= len(line) + 3
        if room < 0 and number:
            return "\n".join([*lines, f"  and {count - number} more"])
        lines.append(f"  {line}")
    return "\n".join(lines)


def _fault(fault: Mapping[str, Any], prefix: str) -> str:
    field = _cut(prefix + (".".join(str(part) for part in fault["loc"]) or "(top)"), 100)
    if fault["type"] == "extra_forbidden":
        return f"{field}: unknown key (value {shown(fault['input'])}); remove it or check its spelling"
    if fault["type"] == "missing":
        return f"{field}: missing; set it"
    if fault["type"] == "value_error" and isinstance(fault["input"], dict):
        return str(fault["ctx"]["error"])  # a check across fields, which names them itself
    return f"{field}: {_cut(fault['msg'], 200)} (received {shown(fault['input'])})"


def shown(value: object) -> str:
    """A value as a message shows it: its repr on one line, cut where it is long."""
    return in_a_line(_REPR.repr(value))


def in_a_line(text: str) -> str:
    """A text as a message shows it: on one line, cut where it is long."""
    return _cut(" ".join(text.split()), _REPR.maxother)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
