"""README's family, as its reader would write it down: controller.py, and the preset of docs/networks.md."""

import re

import yaml

from pipeline.stages.params import Config, parse_config
from tests.paths import CHECKOUT


def family_text() -> str:
    (text,) = (block for block in blocks("README.md", "python") if "class Controller" in block)
    return text


def preset_text(name: str) -> str:
    (text,) = (block for block in blocks("docs/networks.md", "yaml") if block.startswith(f"name: {name}\n"))
    return text


def preset(name: str, **sections: object) -> Config:
    return parse_config(yaml.safe_dump(yaml.safe_load(preset_text(name)) | sections), "docs/networks.md")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (CHECKOUT / page).read_text(encoding="utf-8"), re.S)
