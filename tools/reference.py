"""Write docs/reference.md from the public classes' own signatures and docstrings: ``python -m tools.reference``."""

import ast
import inspect
import textwrap
from collections.abc import Iterator

import pipeline
from pipeline import errors
from tools.import_graph import ROOT

PAGE = ROOT / "docs" / "reference.md"
HEAD = """# Reference

The public names: `from pipeline import Harvest, Surrogate, SurrogateConfig, Family, Column, Schema`. Written from the
source by `make docs`; a test compares. Everything else in the packages may move between versions.
"""
ORDER = ("Harvest", "Surrogate", "SurrogateConfig", "Column", "Schema", "Family")


def reference() -> str:
    """The whole page."""
    parts = [HEAD, *(_class(name) for name in ORDER), _errors()]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _class(name: str) -> str:
    kind = getattr(pipeline, name)
    lines = [f"## {name}", "", f"`{kind.__module__}`", "", *_prose(_node(kind)), ""]
    # Settings are inherited: those of the rooms come before the class's own.
    families = [k for k in reversed(inspect.getmro(kind)) if k.__module__.startswith("pipeline.")]
    fields = [line for k in families for line in _fields(_node(k))]
    if fields:
        lines += ["| field | type | default |", "|---|---|---|", *fields, ""]
    for function in _functions(_node(kind)):
        lines += [f"### `{_signature(name, function)}`", "", *_prose(function), ""]
    return "\n".join(lines)


def _node(kind: type) -> ast.ClassDef:
    node = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(node, ast.ClassDef)
    return node


def _prose(node: ast.ClassDef | ast.FunctionDef) -> list[str]:
    return (ast.get_docstring(node) or "").splitlines()


def _fields(node: ast.ClassDef) -> Iterator[str]:
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.target.id != "model_config":
            default = "" if item.value is None else f"`{_cell(item.value)}`"
            yield f"| `{item.target.id}` | `{_cell(item.annotation)}` | {default} |"


def _cell(node: ast.expr) -> str:
    return ast.unparse(node).replace("|", "\\|")


def _functions(node: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
            yield item


def _signature(name: str, function: ast.FunctionDef) -> str:
    decorators = {ast.unparse(d) for d in function.decorator_list}
    returns = f" → {ast.unparse(function.returns)}" if function.returns else ""
    if decorators & {"property", "cached_property"}:
        return f"{name}.{function.name}{returns}"
    arguments = ast.unparse(function.args).removeprefix("self").removeprefix("cls").removeprefix(", ")
    return f"{name}.{function.name}({arguments}){returns}"


def _errors() -> str:
    lines = [
        "## Errors",
        "",
        *(errors.__doc__ or "").splitlines(),
        "",
        "| error | also a | raised where |",
        "|---|---|---|",
    ]
    for name, kind in vars(errors).items():
        if inspect.isclass(kind) and issubclass(kind, errors.SweepError):
            builtin = next((k.__name__ for k in kind.__mro__ if k.__module__ == "builtins" and k is not Exception), "")
            lines.append(f"| `{name}` | `{builtin}` | {' '.join((kind.__doc__ or '').split())} |")
    return "\n".join(lines)


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
