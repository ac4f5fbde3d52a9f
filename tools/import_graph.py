"""Who imports whom inside the packages, read from the source: nothing is imported to find out."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("pipeline", "flows", "sweep_to_surrogate")

LAYERS = (
    "errors",
    "shapes",
    "settings",
    "storage",
    "tracking",
    "data",
    "transport",
    "clocks",
    "families",
    "surrogate",
    "export",
    "evaluation",
    "report",
    "serving",
    "consumers",
    "registry",
    "page",
    "stages",
    "__main__",
    "flows",
    "sweep_to_surrogate",
)
"""The rooms, each with what stands above it to its left: it may import that, and nothing else."""

APART = {"families": frozenset({"transport", "clocks"})}
"""What a room may not import although it stands above it: a network family knows nothing of what is done with it."""

OLD_NAMES = ("pipeline.config", "pipeline.harvest", "pipeline.schema", "pipeline.networks")
"""Modules and packages that only re-export what has moved. They are no room: nothing inside imports them."""

FACADE = "pipeline"
"""The package itself: it hands out the public names on first use."""


@dataclass(frozen=True, order=True)
class Import:
    """One module importing another. inside: in a function's body, so only when that runs."""

    importer: str
    imported: str
    inside: bool


def modules() -> dict[str, Path]:
    """Every module of the packages by its dotted name."""
    paths = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {_dotted(path): path for path in paths}


@cache
def imports() -> frozenset[Import]:
    """All imports between modules of the packages, those in functions and those by `import_module("…")` included.

    What stands under `if TYPE_CHECKING:` never runs and does not count.
    """
    known = modules()
    found: set[Import] = set()
    for name, path in known.items():
        for target, inside in _targets(ast.parse(path.read_text(encoding="utf-8")), inside=False):
            module = _module(target, known)
            if module is not None and module != name:
                found.add(Import(name, module, inside))
    return frozenset(found)


def room(module: str) -> str:
    """The layer that a module belongs to: its folder under `pipeline`, or another package.

    FACADE and old names as they are.
    """
    if module == FACADE or is_old(module):
        return module
    package, _, rest = module.partition(".")
    return package if package != "pipeline" else rest.split(".")[0]


def is_old(module: str) -> bool:
    """Whether a module is kept for its old name only."""
    return any(module == old or module.startswith(f"{old}.") for old in OLD_NAMES)


def between_rooms() -> dict[tuple[str, str], list[Import]]:
    """The imports that lead from one room to another, by (importer's room, imported room); facade and old names not."""
    arrows: dict[tuple[str, str], list[Import]] = {}
    for found in sorted(imports()):
        pair = room(found.importer), room(found.imported)
        if pair[0] != pair[1] and set(pair) <= set(LAYERS):
            arrows.setdefault(pair, []).append(found)
    return arrows


def is_allowed(importer: str, imported: str) -> bool:
    """Whether one room may import another."""
    above = LAYERS.index(imported) < LAYERS.index(importer)
    return above and imported not in APART.get(importer, frozenset())


def word_lists(path: Path) -> Iterator[tuple[int, frozenset[str]]]:
    """Every list of string constants in a module (list, tuple, set, keys of a dict, Literal) with its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        items: Sequence[ast.expr | None] = ()
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            items = node.elts
        elif isinstance(node, ast.Dict):
            items = node.keys
        words = frozenset(i.value for i in items if isinstance(i, ast.Constant) and isinstance(i.value, str))
        if words and isinstance(node, ast.expr):
            yield node.lineno, words


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _module(target: str, known: dict[str, Path]) -> str | None:
    """The longest part of a dotted name that is a module of the packages."""
    parts = target.split(".")
    return next((name for n in range(len(parts), 0, -1) if (name := ".".join(parts[:n])) in known), None)


def _targets(node: ast.AST, *, inside: bool) -> Iterator[tuple[str, bool]]:
    """Dotted names imported below a node, and whether that is in a function."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        children: list[ast.AST] = list(node.orelse)
    else:
        yield from ((name, inside) for name in _named(node))
        children = list(ast.iter_child_nodes(node))
    within = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for child in children:
        yield from _targets(child, inside=within)


def _named(node: ast.AST) -> list[str]:
    """What one statement or call imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__"):
        return [a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return []
