"""Objectives: what is best about an output, as an expression over columns, or as a function of them.

An expression is read, never run as Python: arithmetic, comparisons, `and`, `or`, `not`, the functions in FUNCTIONS, and
names of columns. A name that is no Python identifier stands in quotes: `abs("temp_t+1" - 60)`.
"""

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigurationError

Values = NDArray[np.float64]
Columns = Mapping[str, Values]
"""Columns by name, of shapes that broadcast to (rows, draws)."""
Objective = Callable[[Columns], Values]
"""A number for every row and draw: (rows, draws)."""

LONGEST = 2_000
"""Characters of an expression."""

FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "abs": (1, np.abs),
    "exp": (1, np.exp),
    "log": (1, np.log),
    "sqrt": (1, np.sqrt),
    "where": (3, lambda chosen, one, other: np.where(np.asarray(chosen) != 0, one, other)),
    "min": (-2, lambda *values: reduce(np.minimum, values)),
    "max": (-2, lambda *values: reduce(np.maximum, values)),
}
"""By name: how many arguments it takes, at least so many where the number is negative, and what it computes."""
_BINARY: dict[type[ast.operator], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
_UNARY: dict[type[ast.unaryop], Callable[..., Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: lambda value: np.asarray(value) == 0,
}
_COMPARED: dict[type[ast.cmpop], Callable[..., Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_BOOLEAN: dict[type[ast.boolop], Callable[..., Any]] = {ast.And: np.logical_and, ast.Or: np.logical_or}


@dataclass(frozen=True)
class Expression:
    """An expression over columns; called with them, its value. names: the columns that it needs."""

    text: str
    names: frozenset[str]
    _value: Callable[[Columns], Any]

    def __call__(self, columns: Columns) -> Values:
        """The value, (rows, draws) or what broadcasts to it; a division by zero or a log of −1 is Inf or NaN."""
        with np.errstate(all="ignore"):
            return np.asarray(self._value(columns), np.float64)


def read_objective(text: str, columns: Collection[str]) -> Expression:
    """An expression over the columns of these names; ConfigurationError says what it cannot be."""
    if not text.strip() or len(text) > LONGEST:
        raise ConfigurationError(f"objective: {len(text)} characters; 1 to {LONGEST:,} are needed")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        reader = _Reader(text, columns)
        value = reader.read(tree.body)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"objective {text!r} is no expression ({error}); see docs/commands.md") from error
    return Expression(text, frozenset(reader.found), value)


class _Reader:
    """Turns the nodes of one expression into functions of its columns."""

    def __init__(self, text: str, columns: Collection[str]) -> None:
        self._text, self._columns = text, columns
        self.found: set[str] = set()

    def read(self, node: ast.expr) -> Callable[[Columns], Any]:
        """What computes a node."""
        match node:
            case ast.Constant(value=str() as name) | ast.Name(id=name):
                return self._column(name)
            case ast.Constant(value=bool() | int() | float() as number):
                return _constant(float(number))
            case ast.BinOp() if type(node.op) in _BINARY:
                return partial(_applied, _BINARY[type(node.op)], self._all(node.left, node.right))
            case ast.UnaryOp() if type(node.op) in _UNARY:
                return partial(_applied, _UNARY[type(node.op)], self._all(node.operand))
            case ast.BoolOp():
                return partial(_applied, partial(_folded, _BOOLEAN[type(node.op)]), self._all(*node.values))
            case ast.Compare() if all(type(o) in _COMPARED for o in node.ops):
                compare = partial(_chained, [_COMPARED[type(o)] for o in node.ops])
                return partial(_applied, compare, self._all(node.left, *node.comparators))
            case ast.Call(func=ast.Name(id=name), keywords=[]):
                return self._call(name, node.args)
        raise self._refused(f"{ast.unparse(node)!r} is not allowed in it")

    def _all(self, *nodes: ast.expr) -> list[Callable[[Columns], Any]]:
        return [self.read(node) for node in nodes]

    def _column(self, name: str) -> Callable[[Columns], Any]:
        if name not in self._columns:
            raise self._refused(f"there is no column {name!r}; there are {sorted(self._columns)}")
        self.found.add(name)
        return operator.itemgetter(name)

    def _call(self, name: str, arguments: list[ast.expr]) -> Callable[[Columns], Any]:
        if name not in FUNCTIONS:
            raise self._refused(f"there is no function {name!r}; there are {sorted(FUNCTIONS)}")
        wanted, function = FUNCTIONS[name]
        if len(arguments) != wanted and not (wanted < 0 and len(arguments) >= -wanted):
            least = f"{wanted}" if wanted > 0 else f"at least {-wanted}"
            raise self._refused(f"{name} takes {least} arguments, not {len(arguments)}")
        return partial(_applied, function, self._all(*arguments))

    def _refused(self, why: str) -> ConfigurationError:
        return ConfigurationError(f"objective {self._text!r}: {why}")


def _constant(number: float) -> Callable[[Columns], Any]:
    return lambda _: np.float64(number)  # of NumPy: a power of Python's integers may never end


def _applied(function: Callable[..., Any], parts: list[Callable[[Columns], Any]], columns: Columns) -> Any:
    return function(*(part(columns) for part in parts))


def _folded(function: Callable[..., Any], *values: Any) -> Any:
    return reduce(function, values)


def _chained(operators: list[Callable[..., Any]], *values: Any) -> Any:
    """A < b <= c as (a < b) and (b <= c)."""
    found = [compare(values[i], values[i + 1]) for i, compare in enumerate(operators)]
    return reduce(np.logical_and, found)
