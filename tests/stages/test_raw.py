import sys

import pytest

from pipeline.errors import ConfigurationError
from pipeline.stages import raw


def test_bundled_series_is_copied(tmp_path):
    raw.run("seattle-temps.csv", tmp_path)
    lines = (tmp_path / "data" / "raw" / "seattle-temps.csv").read_text().splitlines()
    assert lines[0] == "date,temp"
    assert len(lines) == 1 + 8759


@pytest.mark.parametrize("name", ["absent.csv", "../__init__.py", "/etc/hostname", ""])
def test_what_is_not_bundled_is_refused(tmp_path, name):
    with pytest.raises(ConfigurationError, match=r"vega_datasets ships no file .*'seattle-temps.csv'"):
        raw.run(name, tmp_path)
    assert not (tmp_path / "data" / "raw" / "absent.csv").exists()


def test_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "vega_datasets", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'sweep-to-surrogate\[examples\]'"):
        raw.bundled_file("seattle-temps.csv")
