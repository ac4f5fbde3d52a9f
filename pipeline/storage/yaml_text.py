"""YAML as DVC reads it: params.yaml has two readers, this project and DVC, which must not see different values.

DVC reads YAML 1.2 by ruamel.yaml's safe loader: `012` is 12, `1e3` a number, `yes` and `1:30` are texts. So does this
module, with the same loader; where DVC's reading ends in a traceback, or takes the memory of the machine, this one has
an error of one line.
"""

import io
import unicodedata
from collections.abc import Iterator
from typing import Any

from pipeline.errors import ConfigurationError
from pipeline.settings import MOST_CHARACTERS, in_a_line, shown

MOST_DEPTH = 40
"""Sections in sections: loaders recurse."""
MOST_NODES = 10_000
"""Keys and values of a document, those that an alias repeats counted again: `*a` of `*b` of … grows exponentially."""
MOST_SCALAR = 2_000
"""Characters of a key or a value; Python reads no whole number of more than 4,300 digits."""


def read_yaml(text: str, origin: str) -> Any:
    """The document that a text holds; `origin` (a file's name) stands in the message of a ConfigurationError.

    Raises ConfigurationError, naming the line, for what is not YAML, for a repeated key, for a value that its own tag
    does not allow (a date 2026-02-31, `!!int x`) and for what exceeds this module's limits.
    """
    from ruamel.yaml import YAML  # here, because a served model needs the settings' classes but no YAML
    from ruamel.yaml.constructor import DuplicateKeyError, SafeConstructor
    from ruamel.yaml.error import YAMLError

    class Constructor(SafeConstructor):
        def construct_non_recursive_object(self, node: Any, tag: str | None = None) -> Any:
            try:
                return super().construct_non_recursive_object(node, tag)
            except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
                if isinstance(error, ConfigurationError):
                    raise
                kind, reason = str(node.tag).rpartition(":")[2], in_a_line(str(error))
                raise ConfigurationError(
                    f"{_line(origin, node.start_mark)}: {shown(node.value)} is not a valid {kind} ({reason}); correct "
                    "it, or put it in quotes if it is a text"
                ) from error

    reader = YAML(typ="safe")
    reader.Constructor = Constructor
    try:
        _check_size(text, origin)
        return reader.load(text)
    except DuplicateKeyError as error:
        key = str(error.problem).removeprefix("found duplicate key ").partition(" with value ")[0].strip('"')
        raise ConfigurationError(
            f"{_line(origin, error.problem_mark)}: {shown(key)} is repeated in its section; keep one of the two"
        ) from error
    except YAMLError as error:
        raise ConfigurationError(_not_yaml(error, origin)) from error


def sections(text: str) -> dict[str, Any]:
    """The sections of a text; none where it is no YAML, or no mapping: reading it as a sweep will say what is wrong."""
    try:
        loaded = read_yaml(text, "text")
    except ConfigurationError:
        return {}
    return loaded if isinstance(loaded, dict) else {}


def nodes(text: str) -> Any:
    """The tree of ruamel.yaml's nodes, with their places in the text, of a text that `read_yaml` takes."""
    from ruamel.yaml import YAML

    return YAML(typ="safe").compose(text)


def yaml_of(content: Any) -> str:
    """Content as YAML that `read_yaml`, and so DVC, reads back as it is: `'1e-05'` in quotes where it is a text."""
    from ruamel.yaml import YAML

    writer = YAML(typ="safe")
    writer.default_flow_style = None  # sections as blocks, innermost ones and lists on a line
    writer.width = 10_000
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # typed as None alone
    stream = io.StringIO()
    writer.dump(content, stream)
    return stream.getvalue().removesuffix("...\n")


def _check_size(text: str, origin: str) -> None:
    """ConfigurationError where a text is larger than the module's limits; YAMLError where it cannot be parsed.

    Events come one by one, so that nothing of the size of the whole document is ever built.
    """
    if len(text) > MOST_CHARACTERS:
        raise ConfigurationError(f"{origin} has {len(text):,} characters; at most {MOST_CHARACTERS:,} are read")
    size = _Size()
    for event in _events(text):
        size.add(event, _line(origin, event.start_mark))


class _Size:
    """Depth of the open sections, and the number of keys and values so far, aliases counted as what they repeat."""

    def __init__(self) -> None:
        self.total = 0
        self.opened: list[tuple[str | None, int]] = []  # of each open section: its anchor, and the total before it
        self.of_anchors: dict[str | None, int] = {}

    def add(self, event: Any, where: str) -> None:
        """Count a parser's event; ConfigurationError where it exceeds a limit."""
        match type(event).__name__:
            case "MappingStartEvent" | "SequenceStartEvent":
                self.opened.append((event.anchor, self.total))
                self.total += 1
            case "MappingEndEvent" | "SequenceEndEvent":
                anchor, before = self.opened.pop()
                self.of_anchors[anchor] = self.total - before
            case "AliasEvent":
                self._repeat(event.anchor, where)
            case "ScalarEvent":
                _check_scalar(event.value, where)
                self.of_anchors[event.anchor] = 1
                self.total += 1
        if len(self.opened) > MOST_DEPTH:
            raise ConfigurationError(f"{where}: sections are nested more than {MOST_DEPTH} deep; write them flatter")
        if self.total > MOST_NODES:
            raise ConfigurationError(
                f"{where}: more than {MOST_NODES:,} keys and values, those that aliases repeat included; keep fewer"
            )

    def _repeat(self, anchor: str, where: str) -> None:
        if any(name == anchor for name, _ in self.opened):
            raise ConfigurationError(f"{where}: *{in_a_line(anchor)} stands inside what it names; write the value out")
        self.total += self.of_anchors.get(anchor, 1)


def _events(text: str) -> Iterator[Any]:
    from ruamel.yaml import YAML

    yield from YAML(typ="safe").parse(text)


def _check_scalar(value: str, where: str) -> None:
    if len(value) > MOST_SCALAR:
        raise ConfigurationError(
            f"{where}: {shown(value)} has {len(value):,} characters; at most {MOST_SCALAR:,} are read as one value"
        )
    if bad := next((c for c in value if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cs")), ""):
        raise ConfigurationError(f"{where}: {shown(value)} has the control character {bad!r}; remove it")


def _not_yaml(error: Any, origin: str) -> str:
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
    return f"{_line(origin, mark)} is not YAML: {in_a_line(reason)}; correct it"


def _line(origin: str, mark: Any) -> str:
    return origin if mark is None else f"{origin}, line {mark.line + 1}"
