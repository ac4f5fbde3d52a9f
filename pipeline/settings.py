"""Strict settings: the base of every section of params.yaml, and how a validation error is told."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import ConfigurationError

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Widths = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]


class Section(BaseModel):
    """A part of params.yaml: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_text(path: Path) -> str:
    """The text of a settings file; ConfigurationError where it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 ({error}); save it in that encoding") from error


def explain(error: ValidationError, origin: str, prefix: str = "") -> str:
    """The validation errors of `origin`, one a line: field (after `prefix`), what is wrong, value."""
    count = error.error_count()
    lines = [f"{origin}: {count} validation error{'s' if count > 1 else ''}:"]
    for fault in error.errors():
        field = prefix + (".".join(str(part) for part in fault["loc"]) or "(top)")
        if fault["type"] == "extra_forbidden":
            lines.append(f"  {field}: unknown key (value {fault['input']!r}); remove it or check its spelling")
        elif fault["type"] == "missing":
            lines.append(f"  {field}: missing; set it")
        elif fault["type"] == "value_error" and isinstance(fault["input"], dict):
            lines.append(f"  {fault['ctx']['error']}")  # a check across fields, which names them itself
        else:
            lines.append(f"  {field}: {fault['msg']} (received {fault['input']!r})")
    return "\n".join(lines)
