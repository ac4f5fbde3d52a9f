"""The folder of data is in the repository with its page, and nothing that stages write there is."""

import subprocess

import pytest
import yaml

from tests.paths import CHECKOUT


def ignored(path: str) -> bool:
    done = subprocess.run(["git", "check-ignore", "--quiet", "--no-index", path], cwd=CHECKOUT, check=False)
    assert done.returncode in (0, 1)
    return done.returncode == 0


@pytest.mark.parametrize("path", ["data/README.md", "data/.gitignore"])
def test_the_page_is_kept(path):
    assert (CHECKOUT / path).is_file()
    assert not ignored(path)


@pytest.mark.parametrize("path", ["data/raw/series.csv", "data/tiny/registration.json", "data/tiny/surrogate/fit.json"])
def test_what_stages_write_is_not(path):
    assert ignored(path)


def test_the_page_has_a_line_for_every_output():
    text = (CHECKOUT / "data" / "README.md").read_text(encoding="utf-8")
    stages = yaml.safe_load((CHECKOUT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert all(f"({stage})" in text for stage in stages)
