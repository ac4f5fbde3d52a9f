"""Adding anchors to the sweep of params.yaml: its lists get longer, and every comment and setting stays."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pipeline.data.mesh import Value
from pipeline.data.values import in_words, named, read_words
from pipeline.errors import BundleError, ConfigurationError, SweepError
from pipeline.evaluation.record import Record
from pipeline.evaluation.record_rows import NextRecord
from pipeline.families.catalog import make_family
from pipeline.settings import read_text
from pipeline.stages.params import PARAMS, Config, parse_config
from pipeline.stages.presets import listed_values, write_params
from pipeline.stages.sweep import resolved
from pipeline.storage.yaml_text import nodes, read_yaml, yaml_of

AUTO: Literal["auto"] = "auto"
BY_HAND = "or name a λ: ADD=0.3"


def wanted_values(text: str) -> list[float | str]:
    """The λ of an option `--add auto`, `--add 0.3,0.6`, or `--add "quantile=0.3,noise=0.5"`."""
    return [AUTO] if text.strip() == AUTO else listed_values(text, "--add")


def add_anchors(wanted: Sequence[float | str], root: Path = Path()) -> list[Value]:
    """Add λ to sweep.values and sweep.anchors of params.yaml; returns them.

    wanted: numbers, texts as `quantile=0.3,noise=0.5`, or "auto" for what the last validation named. A held-out value
    becomes an anchor, and an anchor stays one, so that a run that was interrupted may be called again. Raises
    ConfigurationError where nothing is trained, where the family does not take a λ, and for "auto" without a validation
    of these anchors that names one; params.yaml is left alone then.
    """
    path = root / PARAMS
    text = resolved(read_text(path))
    config = parse_config(text, str(path))
    if config.network is None:
        raise ConfigurationError(
            f"add = {list(wanted)} with network = null: nothing is trained here; train the network of that λ where the "
            f"others were, add its samples to the harvest {config.ingest.source}, and run with HARVEST= again"
        )
    values = [_auto(config, root) if given == AUTO else _read(given, config) for given in wanted]
    for value in values:
        _check(value, config)
    for value in values:
        for key in ("values", "anchors"):
            text = _inserted(text, key, value, config.sweep.names)
    write_params(text, f"{path}, with {_words(values, config)} added", root)
    return values


def _auto(config: Config, root: Path) -> Value:
    """What the last validation named, of the anchors that params.yaml has now."""
    path = config.folder / "validation" / "metrics.json"
    try:
        found = Record.read(root / path).next_
    except BundleError as error:
        raise ConfigurationError(f"add = auto: {error}; run `make run` first, {BY_HAND}") from error
    if found is None:
        raise ConfigurationError(
            f"add = auto: {path} names no λ to train next, since there are several hyperparameters, "
            "draws that cannot be compared, or no λ that the family takes; name one: ADD=0.3"
        )
    if not _is_of(found, config):
        raise ConfigurationError(
            f"add = auto: {path} names {found.value:g}, between the anchors {list(found.anchors)}, which are not "
            f"those of sweep.anchors = {list(config.sweep.anchors)}; run `make run` first, {BY_HAND}"
        )
    return found.value


def _is_of(found: NextRecord, config: Config) -> bool:
    """Whether the λ lies between two neighbouring anchors of the sweep, as its record says."""
    left, right = found.anchors
    inside = [a for a in config.sweep.anchors if not isinstance(a, tuple) and left < a < right]
    return {left, right} <= set(config.sweep.anchors) and not inside


def _read(given: float | str, config: Config) -> Value:
    names = config.sweep.names
    if not isinstance(given, str):
        if names:
            raise ConfigurationError(
                f"add = {given}: the sweep has the hyperparameters {', '.join(names)}; write "
                f"{','.join(f'{name}=0.5' for name in names)}"
            )
        return float(given)
    point = read_words(given)
    if set(point) != set(names):
        known = f"the hyperparameters {', '.join(names)}" if names else "one hyperparameter; write a plain number"
        raise ConfigurationError(f"add = {given}: the sweep has {known}")
    return tuple(point[name] for name in names)


def _check(value: Value, config: Config) -> None:
    try:
        make_family(config.network, config.train.family_settings).check_hyperparameter(named(value, config.sweep.names))
    except SweepError as error:
        raise ConfigurationError(f"add: {error}") from error


def _words(values: Sequence[Value], config: Config) -> str:
    return "; ".join(in_words(value, config.sweep.names) for value in values)


def _inserted(text: str, key: str, value: Value, names: Sequence[str]) -> str:
    """The text of params.yaml with λ in the list sweep.KEY: before the first larger number; of several, at the end."""
    entries = _entries(text, key)
    if value in [_number(entry) for entry in entries] or _text(value, entries, names) in [e.value for e in entries]:
        return text
    written = _text(value, entries, names)
    flow = text[: entries[0].start_mark.index].rstrip().endswith("[")
    indent = " " * (entries[0].start_mark.column - len("- "))
    larger = [e for e in entries if not isinstance(value, tuple) and _number(e) > value]
    if larger:
        at = larger[0].start_mark.index
        return text[:at] + (f"{written}, " if flow else f"{written}\n{indent}- ") + text[at:]
    at = entries[-1].end_mark.index
    if flow:
        return f"{text[:at]}, {written}{text[at:]}"
    at = text.index("\n", at) if "\n" in text[at:] else len(text)
    return f"{text[:at]}\n{indent}- {written}{text[at:]}"


def _entries(text: str, key: str) -> list[Any]:
    """The YAML nodes of the list sweep.KEY, with their places in the text."""

    def under(node: Any, name: str) -> Any:
        return next(value for found, value in node.value if found.value == name)

    return list(under(under(nodes(text), "sweep"), key).value)


def _number(entry: Any) -> float:
    """The number of a YAML node; NaN of a text."""
    try:
        return float(read_yaml(entry.value, "sweep"))
    except (ValueError, TypeError):
        return float("nan")


def _text(value: Value, entries: Sequence[Any], names: Sequence[str]) -> str:
    """λ as the other entries are written: whole numbers without a point where all are; DVC names stages by it."""
    if isinstance(value, tuple):
        return in_words(value, names)
    whole = value.is_integer() and all(entry.tag.endswith(":int") for entry in entries)
    return str(int(value)) if whole else yaml_of(value).rstrip("\n")
