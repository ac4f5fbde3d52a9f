"""The project reads YAML as DVC does, and what DVC's loader cannot take is one clear error."""

import datetime
import math
import resource
from time import perf_counter
from typing import Any

import pytest
import yaml
from dvc.utils.serialize import parse_yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigurationError
from pipeline.stages.params import load_config, parse_config
from pipeline.stages.presets import write_params
from pipeline.storage.yaml_text import MOST_NODES, read_yaml, yaml_of
from tests.sweeps import sweep_text


def by_dvc(text: str) -> Any:
    """DVC's reading; its errors as they come, since some are tracebacks."""
    return parse_yaml(text, "params.yaml")


def by_both(text: str) -> tuple[str | None, str | None]:
    """What DVC makes of a text, and this project, with all types (NaN is equal to itself); None where one refuses."""
    try:
        dvcs: str | None = repr(by_dvc(text))
    except Exception:  # noqa: BLE001 - DVC's loader raises what it likes
        dvcs = None
    try:
        return dvcs, repr(ours(text))
    except ConfigurationError as error:  # and nothing else
        return dvcs, None if len(str(error)) <= 600 else "a long message"


def ours(text: str) -> Any:
    return read_yaml(text, "params.yaml") or {}


@pytest.mark.parametrize(
    ("scalar", "expected"),
    [
        ("012", 12),  # 10 in YAML 1.1
        ("08", 8),
        ("0o14", 12),
        ("0x1F", 31),
        ("1:30", "1:30"),  # 90 in YAML 1.1
        ("190:20:30", "190:20:30"),
        ("1:30.5", "1:30.5"),
        ("yes", "yes"),  # true in YAML 1.1
        ("on", "on"),
        ("Off", "Off"),
        ("TRUE", True),
        ("~", None),
        ("1_000", 1000),
        ("1e3", 1000.0),  # a text in YAML 1.1
        ("5e-4", 0.0005),
        ("1.0e+5", 100000.0),
        ("+.5", 0.5),
        (".inf", math.inf),
        ("1e400", math.inf),
        ("inf", "inf"),
        ("2026-02-28", datetime.date(2026, 2, 28)),
        ('!!int "012"', 12),
        ("!!bool yes", True),
        ("{b: &x {c: 1}, d: {<<: *x, e: 2}}", {"b": {"c": 1}, "d": {"c": 1, "e": 2}}),
    ],
)
def test_scalars_are_read_as_dvc_reads_them(scalar, expected):
    assert ours(f"a: {scalar}") == by_dvc(f"a: {scalar}") == {"a": expected}


WORDS = ["yes", "No", "ON", "off", "true", "FALSE", "~", "null", ".inf", "-.Inf", ".NAN", "inf", *"<=!&*|>?-", "<<"]
SCALARS = st.one_of(
    st.from_regex(r"[-+]?[0-9_.:]{1,6}([eE][-+]?[0-9]{1,3})?", fullmatch=True),
    st.from_regex(r"0[xob]?[0-9a-f_]{1,5}", fullmatch=True),
    st.from_regex(r"!!(int|float|bool|null|str|timestamp) ['\"]?[0-9a-z.:-]{0,8}['\"]?", fullmatch=True),
    st.from_regex(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ][0-9:.]{1,12}(Z|[+-][0-9]{2})?)?", fullmatch=True),
    st.sampled_from(WORDS),
    st.text(st.characters(codec="utf-8"), max_size=12),
)


@given(SCALARS)
def test_any_scalar_is_read_as_dvc_reads_it_or_refused(scalar):
    text = f"a: {scalar}\nb: [{scalar}]\nc: 1\n"
    dvcs, found = by_both(text)
    assert found == dvcs or (found is None and not scalar.isprintable())  # control characters are refused


@given(st.text(st.sampled_from("ab: 01.-\n[]{},&*<>|?!'\"#\t%e_"), max_size=40))
def test_any_document_is_read_as_dvc_reads_it_or_refused(text):
    dvcs, found = by_both(text)
    assert found in (dvcs, None)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | SCALARS.filter(str.isprintable)
CONTENT = st.dictionaries(
    SCALARS.filter(str.isprintable),
    st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner)),
    max_size=4,
)


@given(CONTENT)
def test_what_is_written_comes_back_from_both_readers(content):
    text = yaml_of(content)
    assert ours(text) == by_dvc(text) == content


def bomb(levels: int, width: int) -> str:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


MERGES = "\n".join(["m0: &m0 {k: 1}", *(f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}]}}" for n in range(1, 40))])

HOSTILE = {
    "tag of a number": ('name: !!int "x"', r"line 1: 'x' is not a valid int .* correct it"),
    "empty number": ('name: !!int ""', r"line 1: '' is not a valid int"),
    "tag of a truth": ("a: 1\nname: !!bool maybe", r"line 2: 'maybe' is not a valid bool"),
    "lone dot": ("seed: ._", r"line 1: '\._' is not a valid float"),
    "impossible date": ("name: 2026-02-31", r"line 1: '2026-02-31' is not a valid timestamp \(day .*quotes"),
    "unknown tag": ("name: !x 3", "line 1 is not YAML: could not determine a constructor"),
    "python object": ("name: !!python/object:os.system x", "is not YAML: could not determine a constructor"),
    "digits": ("seed: " + "9" * 5000, r"line 1: .* has 5,000 characters; at most 2,000"),
    "hexadecimal digits": ("seed: 0x" + "f" * 5000, r"line 1: .* has 5,002 characters; at most 2,000"),
    "nested lists": ("a: " + "[" * 3000 + "]" * 3000, "line 1: sections are nested more than 40 deep"),
    "unclosed lists": ("[" * 400_000, "line 1: sections are nested more than 40 deep"),
    "nested sections": ("\n".join(" " * n + "a:" for n in range(600)), "nested more than 40 deep"),
    "alias bomb": (bomb(9, 9), rf"line 5: more than {MOST_NODES:,} keys and values"),
    "merge bomb": (MERGES, f"more than {MOST_NODES:,} keys and values"),
    "alias of itself": ("a: &a [1, *a]", r"line 1: \*a stands inside what it names"),
    "undefined alias": ("a: *b", "line 1 is not YAML: found undefined alias; correct it"),
    "long list": ("a: [" + "1," * 240_000 + "]", f"more than {MOST_NODES:,} keys and values"),
    "large file": ("#" * 600_000, "has 600,000 characters; at most 500,000 are read"),
    "NUL": ("name: a\x00b", "is not YAML: unacceptable character"),
    "escaped NUL": ('name: "a\\0b"', "line 1: .* has the control character '.x00'; remove it"),
    "bell": ("name: a\x07b", "is not YAML: unacceptable character"),
    "half a surrogate": ('name: "\\ud800"', "is not YAML"),
    "beyond unicode": ('name: "\\U00110000"', "is not YAML"),
    "repeated key": ("a: 1\nb: 2\na: 3", "line 3: 'a' is repeated in its section; keep one"),
    "empty": ("", "has NoneType at its top level; expected a mapping"),
    "list": ("- a\n- b", "has list at its top level"),
    "tab": ("a:\n\tb: 1\n  c: 2", "is not YAML"),
    "two documents": ("a: 1\n---\nb: 2", "is not YAML: but found another document"),
    "list as a key": ("? [1, 2]\n: 3", "Keys should be strings"),
    "long key": ("? " + "k" * 1500 + "\n: 1", "validation error"),
    "longer key": ("k" * 1500 + ": 1", "is not YAML"),
    "many unknown keys": ("\n".join(f"key{n}: 1" for n in range(4_900)), "and [0-9]+ more"),
}


@pytest.mark.parametrize(("text", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_one_short_error_at_once(text, message):
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, perf_counter()
    with pytest.raises(ConfigurationError, match=message) as caught:
        parse_config(text, "params.yaml")
    assert len(str(caught.value)) <= 700
    assert perf_counter() - start < 3  # a second on an idle machine
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_mark_of_order_is_no_part_of_the_first_key():
    assert ours("\ufeffname: x") == by_dvc("\ufeffname: x") == {"name": "x"}


def test_huge_file_is_not_read(tmp_path):
    path = tmp_path / "params.yaml"
    with path.open("wb") as file:
        file.truncate(10**12)  # without blocks on disk
    with pytest.raises(ConfigurationError, match=r"has 1,000,000,000,000 bytes; at most 500,000 characters are read"):
        load_config(path)


LINES = sweep_text().splitlines()
NASTY = SCALARS | st.sampled_from(["{}", "[]", "[[]]", "{a: {b: c}}", "1e59", "9" * 60, "-1", "[.nan]", "~", "&a [*a]"])


@given(st.integers(0, len(LINES) - 1), NASTY)
def test_any_value_in_the_place_of_another_is_taken_or_refused_in_short(number, scalar):
    key, found, _ = LINES[number].partition(":")
    text = "\n".join([*LINES[:number], f"{key}: {scalar}" if found else scalar, *LINES[number + 1 :]])
    said = ""
    try:
        parse_config(text, "params.yaml")
    except ConfigurationError as error:
        said = str(error)
    assert len(said) <= 700


@pytest.mark.parametrize("text", [text for text, _ in HOSTILE.values()], ids=HOSTILE)
def test_hostile_preset_leaves_params_alone(tmp_path, text):
    (tmp_path / "params.yaml").write_text(sweep_text())
    with pytest.raises(ConfigurationError):
        write_params(text, "sweeps/hostile.yaml", tmp_path)
    assert yaml.safe_load((tmp_path / "params.yaml").read_text()) == yaml.safe_load(sweep_text())
