"""An export as a folder of its own: it is read where neither torch nor this project can be imported."""

import json
import subprocess
import sys
from importlib.metadata import packages_distributions

import numpy as np
import pytest

from pipeline.errors import BundleError
from pipeline.registry.exported import write_reader
from pipeline.registry.package import READER_REQUIREMENTS

READ = """
import json, sys
for name in ("torch", "pipeline", "mlflow", "pandas"):
    sys.modules[name] = None  # an import of it fails
sys.path.insert(0, sys.argv[1])
import surrogate_reader
surrogate = surrogate_reader.load()
drawn = surrogate.sample([[0], [3]], 0.3, draws=2, seed=1)
print(json.dumps({"drawn": drawn.tolist(), "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


@pytest.fixture(scope="module")
def folder(fitted_surrogate, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "mine"
    write_reader(fitted_surrogate, path)
    return path


def test_it_is_read_without_torch_and_this_project(folder, fitted_surrogate, tmp_path):
    command = [sys.executable, "-I", "-c", READ, str(folder)]  # isolated: no PYTHONPATH, no working directory
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    expected = fitted_surrogate.sample(np.array([[0.0], [3.0]]), 0.3, draws=2, seed=1)
    np.testing.assert_allclose(told["drawn"], expected, rtol=1e-5, atol=1e-5)
    known = packages_distributions()
    used = {known[module][0].lower() for module in told["modules"] if module in known}
    assert {name.lower() for name in READER_REQUIREMENTS} <= used


def test_requirements_are_few_and_pinned(folder):
    lines = (folder / "requirements.txt").read_text().split()
    assert [line.partition("==")[0] for line in lines] == sorted(READER_REQUIREMENTS, key=str.lower)
    assert all("==" in line for line in lines)


def test_an_export_is_replaced_and_another_folder_is_not(folder, fitted_surrogate, tmp_path):
    write_reader(fitted_surrogate, folder)
    assert (folder / "export" / "export.json").is_file()
    (tmp_path / "thesis.tex").write_text("words")
    with pytest.raises(BundleError):
        write_reader(fitted_surrogate, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
