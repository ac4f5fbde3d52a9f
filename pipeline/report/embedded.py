"""Data inside a page: JSON that no HTML parser can mistake for markup."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

DIGITS = 5
"""Significant digits of a number."""
SMALLEST = 1e-30
"""Numbers nearer to 0 are written as 0: shorter, and no picture shows them."""
LONGEST = 12
"""The most characters that a number below 1e100 takes, a comma included."""

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
"""In JSON these stand inside strings alone, so that their escapes mean the same."""


def embedded(document: Any) -> Markup:
    """The document as JSON for a <script> element; arrays become flat lists of numbers, rounded to DIGITS."""
    text = _json(document)
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return Markup(text)


def _json(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"[{','.join(map(_number, value.ravel().tolist()))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{json.dumps(key)}:{_json(item)}' for key, item in value.items())}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(map(_json, value))}]"
    return json.dumps(value, allow_nan=False)


def _number(value: float) -> str:
    return "0" if abs(value) < SMALLEST else f"{value:.{DIGITS}g}"
