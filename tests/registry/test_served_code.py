"""Models carry their code under names of their own: several of them, and this checkout, run in one process."""

import ast
import json
import shutil
import subprocess
import sys
from importlib import import_module

import mlflow
import numpy as np
import pytest

import pipeline
from pipeline import Harvest, Surrogate, SurrogateConfig
from pipeline.registry import package
from pipeline.registry.package import Candidate, save_model
from pipeline.registry.served_code import copy_code, renamed

NAMES = {"pipeline": "pipeline_1a", "own": "own_1a"}
MODULES = {"pipeline", "pipeline.data", "pipeline.data.schema", "own", "own.nets"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from pipeline.data.schema import Column", "from pipeline_1a.data.schema import Column"),
        ("from pipeline import (\n    Surrogate,\n)", "from pipeline_1a import (\n    Surrogate,\n)"),
        ("from \\\n  pipeline.data import schema", "from \\\n  pipeline_1a.data import schema"),
        ("if True:\n    from own.nets import Net", "if True:\n    from own_1a.nets import Net"),
        ("import pipeline", "import pipeline_1a as pipeline"),
        ("import pipeline.data as d, os", "import pipeline_1a.data as d, os"),
        ("import pipeline.data", "import pipeline_1a.data, pipeline_1a as pipeline"),
        ("from .nets import Net; from . import nets", None),
        ("from pipelines import x; import owner", None),
        (
            "λ = 'ü'; homes = ['pipeline.data.schema', \"own.nets\"]",
            "λ = 'ü'; homes = ['pipeline_1a.data.schema', 'own_1a.nets']",
        ),
        ("path = 'own.csv'; note = 'pipeline.data is a room'; name = 'pipeline'", None),
        ("family = 'own.nets:Net'  # import paths are resolved when used", None),
        ("import_module('pipeline')", "import_module('pipeline_1a')"),
        (
            "importlib.import_module(f'pipeline.families.{name}')",
            "importlib.import_module(f'pipeline_1a.families.{name}')",
        ),
        ("print(f'pipeline.families.{name}')", None),
    ],
)
def test_imports_are_renamed_by_their_syntax(source, expected):
    assert renamed(source.encode(), NAMES, MODULES).decode() == (source if expected is None else expected)


def test_other_encodings_and_line_ends_are_kept():
    source = "# -*- coding: latin-1 -*-\r\na = 'é'\r\nimport pipeline\r\n".encode("latin-1")
    expected = "# -*- coding: latin-1 -*-\r\na = 'é'\r\nimport pipeline_1a as pipeline\r\n".encode("latin-1")
    assert renamed(source, NAMES, MODULES) == expected


def test_no_import_of_the_old_name_is_left(tmp_path):
    names = copy_code(package.PACKAGE, [], tmp_path)
    assert [folder.name for folder in tmp_path.iterdir()] == [names["pipeline"]]
    for file in tmp_path.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert "pipeline" not in [name.partition(".")[0] for name in imported]


def test_equal_code_has_equal_names(tmp_path):
    first, again = (copy_code(package.PACKAGE, [], tmp_path / folder) for folder in "ab")
    (tmp_path / "own.py").write_text("x = 1\n")
    other = copy_code(package.PACKAGE, [tmp_path / "own.py"], tmp_path / "c")
    assert first == again
    assert other["pipeline"] != first["pipeline"]
    assert (tmp_path / "c" / f"{other['own']}.py").is_file()


OWN = """
import numpy as np
from pipeline import Column, Family, Schema
import pipeline.families.torch_family


class Net:
    family = "own_family:Shift"

    def __init__(self, value):
        self.value = value

    def outputs(self, conditions, draws, seed):
        moved = SIGN * (conditions[:, None, :] + self.value)
        return np.repeat(moved.astype(np.float32), draws, axis=1)

    def save(self, folder):
        (folder / "value.json").write_text(str(self.value))


class Shift(Family):
    def build(self, outputs, conditions, value): ...
    def train(self, data, value, seed): ...
    def schema(self, data): ...
    def conditions(self, data, count, seed): ...

    @classmethod
    def load(cls, folder):
        return Net(float((folder / "value.json").read_text()))


SIGN = {sign}
"""


def saved(folder, sign, monkeypatch):
    """A model of y = sign · (λ + x), whose networks are of a family of the user's own."""
    own = folder / "own"
    own.mkdir(parents=True)
    (own / "own_family.py").write_text(OWN.replace("{sign}", str(sign)))
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(own))
        patch.delitem(sys.modules, "own_family", raising=False)
        own_family = import_module("own_family")
        x = np.linspace(0, 1, 8)[:, None]
        networks = [own_family.Net(value) for value in (0.0, 1.0)]
        answers = [network.outputs(x, 1, 0)[:, 0] for network in networks]
        harvest = Harvest.from_arrays([0.0, 1.0], answers, [x, x], networks=networks, deterministic=True)
        surrogate = Surrogate.fit(harvest, SurrogateConfig(variant="K_I", clock="linear"))
        surrogate.save(folder / "bundle")
        save_model(folder / "model", Candidate(folder / "bundle", surrogate, x[:2]))
    del sys.modules["own_family"]
    shutil.rmtree(own)
    return folder / "model"


@pytest.fixture
def fresh_path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


def at_half(model):
    found = model.predict(np.array([[0.5]]), params={"hyperparameter": 0.0})
    return found.iloc[0, -1]


def test_two_models_of_different_families_in_one_process(tmp_path, monkeypatch, fresh_path):
    folders = [saved(tmp_path / name, sign, monkeypatch) for name, sign in (("a", 1), ("b", -1))]
    models = [mlflow.pyfunc.load_model(str(folder)) for folder in folders]
    assert [at_half(model) for model in models] == [0.5, -0.5]
    assert "own_family" not in sys.modules
    for folder, model in zip(folders, models, strict=True):
        surrogate = model.unwrap_python_model().surrogate
        written = json.loads((folder / "artifacts" / "bundle" / "surrogate.json").read_text())
        assert surrogate.digest == written["digest"]  # import paths of networks stay as they were
        assert type(surrogate) is not Surrogate


def test_two_models_of_different_ages_in_one_process(
    fitted_surrogate, small_harvest, tmp_path, monkeypatch, fresh_path
):
    fitted_surrogate.save(tmp_path / "bundle")
    candidate = Candidate(tmp_path / "bundle", fitted_surrogate, small_harvest.conditions[0][:2])
    save_model(tmp_path / "new", candidate)
    older = tmp_path / "older" / "pipeline"
    shutil.copytree(package.PACKAGE, older, ignore=shutil.ignore_patterns("__pycache__"))
    frames = older / "serving" / "frames.py"
    text = frames.read_text(encoding="utf-8")
    assert '"draw": np.tile(np.arange(draws)' in text
    frames.write_text(text.replace('"draw": np.tile(np.arange(draws)', '"draw": np.tile(100 + np.arange(draws)'))
    monkeypatch.setattr(package, "PACKAGE", older)
    save_model(tmp_path / "old", candidate)
    old, new = (mlflow.pyfunc.load_model(str(tmp_path / name)) for name in ("old", "new"))
    for model, first in ((old, 100), (new, 0), (old, 100)):
        assert model.predict({"category": [1]}, params={"hyperparameter": 0.3})["draw"].tolist() == [first]
    names = [model.metadata.metadata["package"] for model in (old, new)]
    assert len({*names, pipeline.__name__}) == 3


ALONE = """
import sys
from importlib import import_module
from pathlib import Path

model = Path(sys.argv[1])
code = model / "code"
sys.path.insert(0, str(code))
name = next(code.glob("pipeline_*")).name
Surrogate = import_module(f"{name}.surrogate").Surrogate
surrogate = Surrogate.load(model / "artifacts" / "bundle")
print(surrogate.sample([[0.25]], 0.5).item())
assert "mlflow" not in sys.modules
"""


def test_a_bundle_is_loaded_by_the_models_own_code_without_mlflow(tmp_path, monkeypatch):
    folder = saved(tmp_path / "a", 1, monkeypatch)
    command = [sys.executable, "-I", "-c", ALONE, str(folder)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(0.75, abs=1e-3)
