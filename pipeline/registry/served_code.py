"""The code that a model carries: a copy of this package and of users' modules, under names of their own.

Python keeps one package of a name in a process. Copies are called `pipeline_<digest of the code>`, so that models of
different ages, and this checkout, can be loaded side by side. Imports in the copies are rewritten by their syntax tree;
import paths in a bundle stay as they are, and `pipeline.families.imports` resolves them to the copies.
"""

import ast
import hashlib
import json
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import accumulate
from pathlib import Path

from pipeline.families.imports import RENAMED_FILE

DIGITS = 12
"""Hexadecimal digits of the digest in a name."""
IMPORTERS = ("import_module", "__import__", "find_spec")
"""Functions whose first argument is the name of a module."""

Edit = tuple[int, int, str]
"""Bytes from, bytes to, and what replaces them."""


def copy_code(package: Path, further: Sequence[Path], folder: Path) -> dict[str, str]:
    """Copy the package and users' further packages or modules into `folder`; the names of the copies, by the old ones.

    All have the digest of all of the code, since they import each other. Bytecode is left out.
    """
    sources = {path.stem if path.is_file() else path.name: path for path in (package, *further)}
    files = {f"{name}/{inner}": file for name, path in sources.items() for inner, file in _files(path)}
    digest = hashlib.sha256()
    for inner, file in sorted(files.items()):
        digest.update(f"{inner}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    names = {name: f"{name}_{digest.hexdigest()[:DIGITS]}" for name in sources}
    modules = {module for name, path in sources.items() for module in _modules(name, path)}
    for name, path in sources.items():
        for inner, file in _files(path):
            target = folder / (f"{names[name]}.py" if path.is_file() else f"{names[name]}/{inner}")
            target.parent.mkdir(parents=True, exist_ok=True)
            content = file.read_bytes()
            target.write_bytes(renamed(content, names, modules) if file.suffix == ".py" else content)
    (folder / names[package.name] / RENAMED_FILE).write_text(json.dumps(names), encoding="utf-8")
    return names


@contextmanager
def importable(folder: Path, names: Mapping[str, str]) -> Iterator[None]:
    """Copies in `folder` can be imported inside; afterwards they are forgotten, as the folder may go."""
    known = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for module in set(sys.modules) - known:
            if module.partition(".")[0] in names.values():
                del sys.modules[module]


def renamed(source: bytes, names: Mapping[str, str], modules: set[str]) -> bytes:
    """A module's source whose absolute imports of `names` lead to their copies.

    modules: dotted names of all that is copied. Rewritten are import statements, first arguments of `import_module` and
    its like, and other texts that are the dotted name of a copied module; not the import paths `module:name`, which are
    resolved when they are used.
    """
    encoding, _ = tokenize.detect_encoding(BytesIO(source).readline)
    text = _Text(source.decode(encoding).encode())  # positions in the tree are of UTF-8
    edits = [edit for node in _nodes(ast.parse(text.content)) for edit in _edits(node, text, names, modules)]
    content = text.content
    for start, end, new in sorted(edits, reverse=True):
        content = content[:start] + new.encode() + content[end:]
    return content.decode().encode(encoding)


class _Text:
    """A source, and where the nodes of its syntax tree stand in it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._starts = [0, *accumulate(map(len, content.splitlines(keepends=True)))]

    def span(self, node: ast.stmt | ast.expr | ast.alias) -> tuple[int, int]:
        """The bytes from and to which a node reaches."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[end_line - 1] + end_column


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but the parts of formatted texts, whose positions Python 3.11 does not know."""
    yield tree
    for child in () if isinstance(tree, ast.JoinedStr) else ast.iter_child_nodes(tree):
        yield from _nodes(child)


def _edits(node: ast.AST, text: _Text, names: Mapping[str, str], modules: set[str]) -> Iterator[Edit]:
    match node:
        case ast.ImportFrom(module=str(module), level=0) if (top := module.partition(".")[0]) in names:
            yield from _first(r"from[\s\\]+", top, node, text, names)
        case ast.Import():
            yield from (_imported(alias, text, names) for alias in node.names if alias.name.partition(".")[0] in names)
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[first, *_]) if called in IMPORTERS:
            match first:
                case ast.Constant(value=str(name)) if name in names:
                    yield *text.span(first), repr(names[name])
                case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]) if "." in start:
                    yield from _first(r"[fFrR]+['\"]+", start.partition(".")[0], first, text, names)
        case ast.Constant(value=str(name)) if "." in name and name in modules:
            top, _, rest = name.partition(".")
            yield *text.span(node), repr(f"{names[top]}.{rest}")


def _imported(alias: ast.alias, text: _Text, names: Mapping[str, str]) -> Edit:
    """`import a.b` binds `a`, the name that the module goes on with; so does what replaces it."""
    top, dot, rest = alias.name.partition(".")
    new = names[top]
    bound = f" as {alias.asname}" if alias.asname else f"{f', {new}' if dot else ''} as {top}"
    return *text.span(alias), f"{new}{dot}{rest}{bound}"


def _first(before: str, top: str, node: ast.stmt | ast.expr, text: _Text, names: Mapping[str, str]) -> Iterator[Edit]:
    """The edit of `top`, where it stands in a node after what matches `before`."""
    start, _ = text.span(node)
    found = re.compile(f"{before}({re.escape(top)})".encode()).match(text.content, start)
    if found and top in names:
        yield *found.span(1), names[top]


def _files(path: Path) -> list[tuple[str, Path]]:
    """Files of a package, or a module alone, by their paths inside; without bytecode."""
    if path.is_file():
        return [(path.name, path)]
    found = [file for file in sorted(path.rglob("*")) if file.is_file() and file.suffix != ".pyc"]
    return [(file.relative_to(path).as_posix(), file) for file in found]


def _modules(name: str, path: Path) -> set[str]:
    """Dotted names of the modules of a package, or of a module alone."""
    if path.is_file():
        return {name}
    parts = [file.relative_to(path).with_suffix("").parts for file in path.rglob("*.py")]
    return {".".join((name, *(inner[:-1] if inner[-1] == "__init__" else inner))) for inner in parts}
