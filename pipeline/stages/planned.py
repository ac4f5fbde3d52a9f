"""Sections of params.yaml that are written, not set, since DVC names stages by them; other sections say what they hold.

Where such a section is not needed it is left out; `dvc.yaml` then has an empty one, and DVC no such stages.
"""

import re
from collections.abc import Mapping
from typing import Any

from pipeline.storage.yaml_text import sections, yaml_of


def with_section(text: str, name: str, heading: str, needed: Mapping[str, Any] | None) -> str:
    """The text of params.yaml with the section `name` as it is needed, or without it; all else stays.

    heading: the comment above the section, a whole line, by which it is taken away again.
    """
    rest = re.sub(rf"(?:{re.escape(heading)})?^{name}:.*\n?(?:[ \t]+.*\n?)*", "", text, flags=re.MULTILINE)
    if needed is None:
        return rest
    if sections(text).get(name) == needed:
        return text
    return rest.rstrip("\n") + "\n" + heading + yaml_of({name: needed})
