"""An export answers as its surrogate does, for every kind of surrogate, without torch."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Grid
from pipeline.errors import BundleError, ConfigurationError, DataError, HyperparameterError
from pipeline.export.check import TOLERANCE, inside
from pipeline.export.reader import ExportedSurrogate
from pipeline.export.write import known_conditions, write_export
from pipeline.surrogate import Surrogate
from pipeline.surrogate.barriers import Barrier, Mixture
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.regions import Region
from tests.clouds import ANCHORS, circles_harvest, cloud_harvest, moment
from tests.moving import by_condition, moving
from tests.paths import CHECKOUT

pytestmark = pytest.mark.filterwarnings("ignore:this surrogate carries no networks")
STRAIGHT = SurrogateConfig(variant="K_I", clock="linear")
SMOOTH = SurrogateConfig(variant="K_I", clock="linear", interpolation="pchip")
NAMES = {"hyperparameter": ["turn", "radius"]}
GRID = [(turn, radius) for turn in (0.0, 0.5, 1.0) for radius in (0.0, 1.0)]
SCATTERED = [(0.0, 0.0), (1.0, 0.1), (0.4, 0.5), (0.1, 0.9), (0.9, 1.0)]


def turning(dimension: int = 2) -> Harvest:
    """Angles that cross the seam at π, beside lengths."""
    rng = np.random.default_rng(0)
    angles = [(2.4 + 1.6 * value + rng.vonmises(0, 8, 80) + np.pi) % (2 * np.pi) - np.pi for value in ANCHORS]
    outputs = [np.stack([a, rng.normal(v, 0.1, 80)], axis=1) for a, v in zip(angles, ANCHORS, strict=True)]
    nothing = [np.zeros((80, 0))] * len(ANCHORS)
    return Harvest.from_arrays(ANCHORS, outputs, nothing, output_kind=["circular", "continuous"], deterministic=False)


def shares() -> Harvest:
    rng = np.random.default_rng(0)
    outputs = [rng.dirichlet([1 + 3 * value, 2.0, 4 - 3 * value], 80) for value in ANCHORS]
    nothing = [np.zeros((80, 0))] * len(ANCHORS)
    return Harvest.from_arrays(ANCHORS, outputs, nothing, output_kind="simplex", deterministic=False)


def planar(vertices: list[tuple[float, float]], deterministic: bool = True) -> Harvest:
    x = np.repeat(np.linspace(-1, 1, 20), 1 if deterministic else 3)[:, None]
    rng = np.random.default_rng(0)
    outputs = [
        np.c_[(1 + turn) * (1 + radius) * x[:, 0], turn - 3 * turn * radius + x[:, 0] ** 2]
        + (0 if deterministic else rng.normal(0, 0.3, (len(x), 2)))
        for turn, radius in vertices
    ]
    return Harvest.from_arrays(vertices, outputs, [x] * len(vertices), deterministic=deterministic, names=NAMES)


CASES = {
    "curved, matched draws": lambda: Surrogate.fit(cloud_harvest(), moment()),
    "curved, uniform speed": lambda: Surrogate.fit(cloud_harvest(), moment(variant="K_theta-U", speed="uniform")),
    "curved, semi-dual": lambda: Surrogate.fit(cloud_harvest(), moment(variant="K_theta", solver="semidual")),
    "networks that need no torch": lambda: Surrogate.fit(circles_harvest(), moment()),
    "a category, a map each": lambda: Surrogate.fit(cloud_harvest(kind="categorical"), STRAIGHT),
    "two categories": lambda: Surrogate.fit(cloud_harvest(kind="categorical", conditions=2), moment()),
    "a skew by condition": lambda: Surrogate.fit(
        moving(ANCHORS, "linear", by_condition, deterministic=False, draws=4), moment()
    ),
    "deterministic, no networks": lambda: Surrogate.fit(
        moving(ANCHORS, "linear", by_condition, deterministic=True), STRAIGHT
    ),
    "pchip": lambda: Surrogate.fit(moving((0.0, 0.25, 0.5, 1.0), "linear", by_condition, deterministic=True), SMOOTH),
    "in components": lambda: Surrogate.fit(cloud_harvest(dimension=12), moment(components=3)),
    "in components, straight, categories": lambda: Surrogate.fit(
        cloud_harvest(dimension=12, kind="categorical"), STRAIGHT.model_copy(update={"components": 3})
    ),
    "angles": lambda: Surrogate.fit(turning(), STRAIGHT),
    "angles, curved": lambda: Surrogate.fit(turning(), moment(variant="K_theta-U")),
    "shares": lambda: Surrogate.fit(shares(), moment(variant="K_theta-U")),
    "a grid": lambda: Surrogate.fit(planar(GRID), STRAIGHT),
    "a grid of draws, curved": lambda: Surrogate.fit(
        planar(GRID, deterministic=False), moment(order=("turn", "radius"))
    ),
    "scattered anchors": lambda: Surrogate.fit(planar(SCATTERED), STRAIGHT),
}


@pytest.fixture(scope="module", params=CASES)
def pair(request, tmp_path_factory) -> tuple[Surrogate, ExportedSurrogate]:
    surrogate = CASES[request.param]()
    folder = tmp_path_factory.mktemp("case") / "export"
    write_export(surrogate, folder)  # which compares both in a process that cannot import torch
    return surrogate, ExportedSurrogate.load(folder)


def scale(surrogate: Surrogate) -> np.ndarray:
    return surrogate.trajectories.scaling.output_scale.numpy()


def test_draws_are_the_surrogates(pair):
    surrogate, exported = pair
    x = known_conditions(surrogate.fitted, 12)
    for seed, value in enumerate([*inside(surrogate), *map(np.array, surrogate.vertices)]):
        wanted, found = (some.sample(x, value, draws=3, seed=seed) for some in (surrogate, exported))
        assert found.dtype == np.float64
        assert np.abs((found - wanted) / scale(surrogate)).max(initial=0) <= TOLERANCE


def test_one_value_a_row_and_further_draws_of_equal_rows(pair):
    surrogate, exported = pair
    x = np.repeat(known_conditions(surrogate.fitted, 5), 4, axis=0)
    points = np.resize(inside(surrogate), (len(x), len(surrogate.vertices[0])))
    values = points[:, 0] if points.shape[1] == 1 else points
    wanted, found = (some.sample(x, values, draws=2, seed=5) for some in (surrogate, exported))
    assert np.abs((found - wanted) / scale(surrogate)).max(initial=0) <= TOLERANCE


def test_what_is_said_of_answers_is_the_same(pair):
    surrogate, exported = pair
    x, value = known_conditions(surrogate.fitted, 6), inside(surrogate)[0]
    assert exported.schema == surrogate.schema
    assert exported.vertices == surrogate.vertices
    assert exported.digest == surrogate.digest
    assert exported.deterministic == surrogate.deterministic
    np.testing.assert_allclose(exported.distance(x + 3), surrogate.distance(x + 3), rtol=1e-12)
    np.testing.assert_array_equal(exported.trusted(x, value), surrogate.trusted(x, value))


def test_positions_are_the_surrogates(pair):
    surrogate, exported = pair
    x, value = known_conditions(surrogate.fitted, 6), inside(surrogate)[0]
    if not isinstance(surrogate.mesh, Grid):
        for some in (surrogate, exported):
            with pytest.raises(ConfigurationError, match="the anchors are scattered"):
                some.answering(x, value)
        return
    wanted = surrogate.answering(x, value)
    for found, known in zip(exported.answering(x, value), wanted, strict=True):
        np.testing.assert_allclose(found, known, atol=1e-6)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Surrogate, Path]:
    surrogate = CASES["a skew by condition"]()
    folder = tmp_path_factory.mktemp("written") / "export"
    write_export(surrogate, folder)
    return surrogate, folder


def test_errors_and_warnings_are_the_surrogates(written):
    surrogate, folder = written
    exported = ExportedSurrogate.load(folder)
    x = known_conditions(surrogate.fitted, 3)
    for given, kind in (((x, 1.5), HyperparameterError), ((x * np.nan, 0.5), DataError), ((x[:, :0], 0.5), DataError)):
        with pytest.raises(kind) as wanted:
            surrogate.sample(*given)
        with pytest.raises(kind) as found:
            exported.sample(*given)
        assert str(found.value) == str(wanted.value)
    with pytest.warns(UserWarning, match=r"lie more than 0\.5 standard deviations outside"):
        exported.sample(x + 100, 0.3)


def test_tensors_are_taken_and_given(written):
    import torch

    exported = ExportedSurrogate.load(written[1])
    x = known_conditions(written[0].fitted, 3)
    tensor = torch.tensor(x)
    drawn = exported.sample(tensor, torch.tensor(0.3, dtype=torch.float64))
    assert drawn.dtype == torch.float64
    np.testing.assert_array_equal(drawn.numpy(), exported.sample(x, 0.3))
    np.testing.assert_array_equal(exported.distance(tensor), exported.distance(x))
    assert exported.trusted(tensor, 0.3).tolist() == exported.trusted(x, 0.3).tolist()
    for found, known in zip(exported.answering(tensor, 0.3), exported.answering(x, 0.3), strict=True):
        np.testing.assert_array_equal(found, known)


def test_certificate_and_broken_intervals_are_heeded(circles_surrogate, tmp_path):
    ridge = Mixture(0.5, 0.25, 0.0, 9.0, 9.0, 0.1)
    barriers = [Barrier((0.0, 0.5), "reward", 2, (ridge,), (1.0, -1.0)), Barrier((0.5, 1.0), "reward", 2, ())]
    regions = [Region(0.0, 0.5, "trusted", ("it is good",)), Region(0.5, 1.0, "not trusted", ("it is bad",))]
    surrogate = circles_surrogate.with_barriers(barriers).certified(regions)
    write_export(surrogate, tmp_path / "export")
    exported = ExportedSurrogate.load(tmp_path / "export")
    x = np.arange(4.0)[:, None]
    with pytest.warns(UserWarning, match=r"broken between 0 and 0\.5"):
        found = exported.sample(x, 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(found, surrogate.sample(x, 0.1))
        assert exported.barriers == surrogate.barriers
        assert exported.certificate == surrogate.certificate
    with pytest.raises(HyperparameterError, match=r"not trusted from 0\.5 to 1: it is bad"):
        exported.sample(x, 0.7, strict=True)


def test_outputs_of_ones_own_are_refused(written):
    _, folder = written
    with pytest.raises(ConfigurationError, match=r"does not move outputs .* register with flavour = torch"):
        ExportedSurrogate.load(folder).transport(np.zeros((1, 2)), np.zeros((1, 1)), 0.0, 1.0)


BARE = """
import json, sys
import numpy as np
from pipeline.export.reader import ExportedSurrogate
surrogate = ExportedSurrogate.load(sys.argv[1])
drawn = surrogate.sample(np.array(json.loads(sys.argv[2])), 0.3, draws=2)
heavy = [name for name in ("torch", "pandas", "pyarrow", "mlflow", "onnx", "yaml") if name in sys.modules]
print(json.dumps({"drawn": drawn.tolist(), "heavy": heavy}))
"""


def test_a_reader_imports_nothing_heavy(written):
    surrogate, folder = written
    x = known_conditions(surrogate.fitted, 3)
    command = [sys.executable, "-W", "ignore", "-c", BARE, str(folder), json.dumps(x.tolist())]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    told = json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert told["heavy"] == []
    np.testing.assert_allclose(told["drawn"], surrogate.sample(x, 0.3, draws=2), rtol=1e-5, atol=1e-5)


# What is refused.


@pytest.mark.parametrize("name", ["export.json", "arrays.safetensors", "map_1.onnx"])
def test_a_missing_and_a_changed_file_are_named(written, tmp_path, name):
    copy = shutil.copytree(written[1], tmp_path / "copy")
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        ExportedSurrogate.load(copy)
    (copy / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} is missing"):
        ExportedSurrogate.load(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "not an export of format 1"),
        ({"columns": {"outputs": []}}, "is corrupted"),
        ({"vertices": [[0.0], [0.0]]}, "checksum mismatch"),
        ({"surprise": 1}, "is corrupted"),
    ],
)
def test_a_changed_document_is_refused(written, tmp_path, change, message):
    copy = shutil.copytree(written[1], tmp_path / "copy")
    document = json.loads((copy / "export.json").read_text())
    (copy / "export.json").write_text(json.dumps(document | change))
    with pytest.raises(BundleError, match=message):
        ExportedSurrogate.load(copy)


def test_what_is_not_installed_is_named(written, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.storage.onnx_session.find_spec", lambda name: None if name == "onnx" else name)
    with pytest.raises(ConfigurationError, match=r"an export needs onnx, not installed here: pip install"):
        write_export(written[0], tmp_path / "export")


def test_another_folder_is_not_replaced(written, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("words")
    with pytest.raises(BundleError, match="mine"):
        write_export(written[0], tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "words"


def test_draws_that_are_matched_at_atoms_cannot_be_exported(tmp_path):
    rng = np.random.default_rng(0)
    outputs = [np.maximum(rng.normal(value - 0.2, 1, (200, 1)), 0.0) for value in ANCHORS]
    harvest = Harvest.from_arrays(ANCHORS, outputs, [np.zeros((200, 0))] * 3, deterministic=False)
    clipped = Surrogate.fit(harvest, moment())
    with pytest.raises(ConfigurationError, match="atoms at an end of their range"):
        write_export(clipped, tmp_path / "export")
    assert not list(tmp_path.iterdir())
