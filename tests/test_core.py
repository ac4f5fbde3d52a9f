"""The core package alone: what works where none of the optional extras is installed."""

import subprocess
import sys
import tomllib

import pytest

from tests.paths import CHECKOUT

EXTRAS = (
    *("gymnasium", "mujoco", "stable_baselines3", "numba", "vega_datasets", "onnx", "onnxruntime"),
    *("dvc_s3", "boto3", "psycopg2", "prefect_dask", "prefect_ray"),
)
"""What `import` calls the packages of the extras."""

WITHOUT_EXTRAS = f"""
import sys, warnings
for name in {EXTRAS}:
    sys.modules[name] = None  # importing it raises ModuleNotFoundError
from pathlib import Path
"""
"""A script that starts with this has no extra."""


def run_without_extras(script, folder):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS + script, str(folder)], cwd=CHECKOUT, capture_output=True, text=True
    )


def test_these_are_the_packages_of_the_extras():
    optional = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [line for extra, lines in optional["optional-dependencies"].items() if extra != "dev" for line in lines]
    packages = {line.split(">")[0].split("[")[0].replace("-", "_").removesuffix("_binary") for line in lines}
    assert packages | {"mujoco"} == set(EXTRAS)  # gymnasium[mujoco] brings it


@pytest.mark.slow
def test_fit_save_load_and_sample_need_no_extra(tmp_path):
    script = """
import numpy as np
from pipeline import Harvest, Surrogate, SurrogateConfig
folder, x = Path(sys.argv[1]), np.linspace(-1, 1, 40)[:, None]
harvest = Harvest.from_arrays((0.0, 0.5, 1.0), [2 * a + x for a in (0.0, 0.5, 1.0)], [x] * 3, deterministic=True)
harvest.save(folder / "harvest")
Surrogate.fit(Harvest.load(folder / "harvest"), SurrogateConfig(variant="K_I")).save(folder / "surrogate")
warnings.simplefilter("ignore")  # there are no networks
surrogate = Surrogate.load(folder / "surrogate")
np.testing.assert_allclose(surrogate.sample(x, 0.25)[:, 0], 0.5 + x, atol=1e-3)
np.testing.assert_allclose(surrogate.transport(x, x, 0.0, 0.75), 1.5 + x, atol=1e-3)
"""
    done = run_without_extras(script, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_what_needs_an_extra_names_it(tmp_path):
    (tmp_path / "code.py").touch()
    script = """
from pipeline.errors import ConfigurationError
from pipeline.families.catalog import BUILT_IN, family_class
from pipeline.families.checkpoints.onnx_network import OnnxNetwork
from pipeline.families.protocol import IngestSection
from pipeline.stages import raw
source = Path(sys.argv[1]) / "code.py"
def policies(name):
    family = family_class(name)
    family(family.Settings()).ingest(source, IngestSection(source="code.py"))
asked = {
    "policies": [lambda: policies("reacher"), lambda: policies("cancer_therapy")],
    "examples": [lambda: raw.bundled_file("seattle-temps.csv")],
    "onnx": [lambda: OnnxNetwork(b"", source)],
}
for name in BUILT_IN:
    family_class(name)  # needs no simulator before it trains
for extra, calls in asked.items():
    for call in calls:
        try:
            call()
        except ConfigurationError as error:
            assert f"pip install 'sweep-to-surrogate[{extra}]'" in str(error), error
        else:
            raise AssertionError(extra)
"""
    done = run_without_extras(script, tmp_path)
    assert done.returncode == 0, done.stderr
