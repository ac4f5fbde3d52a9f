"""Over which range of λ one network of all λ is trained: the section `conditioned` of params.yaml.

It is written for `validate.conditioned`. DVC names its stage by it; without it there is no such stage.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pipeline.data.conditioned import Box
from pipeline.data.values import in_words, read_words, value_of
from pipeline.errors import ConfigurationError
from pipeline.families.protocol import ConditionedFamily, NetworkFamily
from pipeline.settings import Section
from pipeline.stages.planned import with_section
from pipeline.stages.sweep import SweepSection
from pipeline.storage.yaml_text import sections

HEADING = "# Written by `make sweep`: the range of λ that one network of all λ is trained on.\n"
ALL = "all"
CONDITIONED = "conditioned"
"""The network's folder, among those of the harvests and in the dataset."""


class Range(Section):
    """From the lowest λ to the highest, coordinate by coordinate, in words."""

    lowest: str
    highest: str

    @classmethod
    def of(cls, sweep: SweepSection) -> "Range":
        """That of all values of a sweep."""
        box = Box.around(sweep.values, sweep.names)
        ends = map(value_of, (box.lowest, box.highest))
        lowest, highest = (in_words(end, box.names) if box.names else str(end) for end in ends)
        return cls(lowest=lowest, highest=highest)


class ConditionedSection(Section):
    """ranges: "all" → that of the sweep, or nothing."""

    ranges: dict[str, Range] = {}

    def of(self, name: str) -> Range:
        """The range of a name; ConfigurationError where it is not one of conditioned.ranges."""
        if name not in self.ranges:
            known = list(self.ranges)
            raise ConfigurationError(f"{name!r} is not one of conditioned.ranges = {known}; choose one of them")
        return self.ranges[name]


def box_of(lowest: str, highest: str) -> Box:
    """A range in words; ConfigurationError where it is none."""
    ends = [read_words(text) if "=" in text else {"": _number(text)} for text in (lowest, highest)]
    if list(ends[0]) != list(ends[1]):
        raise ConfigurationError(f"{lowest!r} and {highest!r} name different hyperparameters; name the same, in order")
    low, high = (tuple(end.values()) for end in ends)
    return Box(low, high, tuple(name for name in ends[0] if name))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigurationError(f"{text!r} is not a λ: write a number, or quantile=0.1,noise=0.5") from error


def plan(sweep: SweepSection, conditioned: bool) -> ConditionedSection:
    """What `validate.conditioned` asks for."""
    return ConditionedSection(ranges={ALL: Range.of(sweep)} if conditioned else {})


def with_conditioning(text: str) -> str:
    """params.yaml's text with the section `conditioned` that its section `validate` needs, or without it.

    All other text stays as it is, and so does a text that is no sweep: reading it as one will say what is wrong.
    """
    ranges = _planned(sections(text))
    return with_section(text, "conditioned", HEADING, {"ranges": ranges} if ranges else None)


def _planned(loaded: Mapping[str, Any]) -> dict[str, Any]:
    validate = loaded.get("validate")
    asked = isinstance(validate, Mapping) and validate.get("conditioned") is True
    if loaded.get("network") is None or not asked:
        return {}
    try:
        sweep = SweepSection.model_validate(loaded.get("sweep"))
    except ValidationError:
        return {}
    return plan(sweep, True).model_dump(mode="json")["ranges"] if sweep.values else {}


def check_conditioning(section: ConditionedSection, sweep: SweepSection, conditioned: bool) -> None:
    """ValueError unless the section is what `validate` and the sweep, which has values, ask for."""
    if section != plan(sweep, conditioned):
        raise ValueError(
            f"conditioned: is not the range of validate.conditioned = {str(conditioned).lower()} and sweep.values = "
            f"{sweep.in_words()}; write it by `make sweep`, or `python -m pipeline sweep`, which adds the section, or "
            "removes it"
        )


def check_conditionable(family: NetworkFamily, network: str | None) -> ConditionedFamily:
    """The family, if it can train one network of all λ; else ConfigurationError."""
    if isinstance(family, ConditionedFamily):
        return family
    raise ConfigurationError(
        f"validate.conditioned = true with network = {network!r}: {type(family).__name__} lacks train_conditioned() "
        "and load_conditioned(), without which there is no network of all λ; implement them (for torch modules see "
        "pipeline.families.conditioned.ConditionedModules), or set validate.conditioned: false"
    )
