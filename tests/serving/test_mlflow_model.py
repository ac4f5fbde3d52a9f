"""The model as consumers meet it: loaded by its alias, in this process and in one without the project."""

import ast
import importlib.metadata
import json
import shutil
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from pipeline.registry.package import REQUIREMENTS, Candidate, save_model
from pipeline.surrogate.regions import Region
from pipeline.tracking.store import open_store


@pytest.fixture(scope="module")
def champion_store(empty_store, register_into, tmp_path_factory):
    """A store that holds a champion."""
    root = tmp_path_factory.mktemp("champion")
    shutil.copy(empty_store, root / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store = open_store(root)
    register_into(store)
    return store


@pytest.fixture(scope="module")
def load_champion(champion_store):
    """Load the champion as a consumer does; loading puts the model's code in front of sys.path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", list(sys.path))
        patch.setenv("MLFLOW_TRACKING_URI", champion_store.uri)
        yield lambda: mlflow.pyfunc.load_model("models:/semicircles@champion")


@pytest.fixture(scope="module")
def served(load_champion):
    """The champion."""
    return load_champion()


def test_predictions_are_the_surrogates_samples(served, fitted_surrogate):
    categories = np.array([[0.0], [3.0], [1.0]])
    result = served.predict(
        pd.DataFrame(categories, columns=["category"]), params={"hyperparameter": 0.3, "draws": 50, "seed": 1}
    )
    assert result.shape == (150, 4)
    assert result.columns.tolist() == ["row", "draw", "east", "north"]
    expected = fitted_surrogate.sample(categories, 0.3, draws=50, seed=1)
    assert np.array_equal(result[["east", "north"]].to_numpy().reshape(3, 50, 2), expected)
    assert np.array_equal(result["row"].to_numpy().reshape(3, 50)[:, 0], [0, 1, 2])


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "float32", "float64"])
def test_codes_of_any_numeric_dtype(served, dtype):
    frame = pd.DataFrame({"category": [0, 2]})
    params = {"hyperparameter": 0.3}
    pd.testing.assert_frame_equal(served.predict(frame.astype(dtype), params), served.predict(frame, params))


def test_without_draws_one_draw(served):
    frame = pd.DataFrame({"category": [0, 1]})
    explicit = served.predict(frame, params={"hyperparameter": 0.5, "draws": 1, "seed": 0})
    pd.testing.assert_frame_equal(served.predict(frame, params={"hyperparameter": 0.5}), explicit)


@pytest.mark.parametrize(
    "data", [np.array([[0], [3]]), np.array([0, 3]), {"category": [0, 3]}, [{"category": 0}, {"category": 3}]]
)
def test_tables_of_any_form(served, data):
    params = {"s": [0.3, 0.6]}
    expected = served.predict(pd.DataFrame({"category": [0.0, 3.0]}), params)
    assert expected.columns.tolist() == ["row", "draw", "s", "east", "north"]
    pd.testing.assert_frame_equal(served.predict(data, params), expected)


def test_hyperparameter_as_a_column(served, fitted_surrogate):
    found = served.predict(pd.DataFrame({"s": [0.3, 0.7], "category": [0, 1]}), params={"draws": 3})
    expected = fitted_surrogate.sample(np.array([[0.0], [1.0]]), np.array([0.3, 0.7]), draws=3)
    assert np.array_equal(found[["east", "north"]].to_numpy().reshape(2, 3, 2), expected)


@pytest.mark.parametrize("anchor", [0.0, 0.5, 1.0])
def test_draws_of_a_seed_are_continuous_at_anchors(served, anchor):
    values = [v for v in (anchor - 1e-5, anchor, anchor + 1e-5) if 0 <= v <= 1]
    found = served.predict(pd.DataFrame({"category": [0, 1, 2, 3]}), params={"s": values, "draws": 50, "seed": 4})
    by_value = [found.loc[found["s"] == value, ["east", "north"]].to_numpy() for value in values]
    for near in by_value:
        np.testing.assert_allclose(near, by_value[values.index(anchor)], atol=1e-3)


def test_no_rows_give_no_rows(served):
    result = served.predict(pd.DataFrame({"category": pd.Series([], dtype=float)}), params={"hyperparameter": 0.5})
    assert result.columns.tolist() == ["row", "draw", "east", "north"]
    assert len(result) == 0


@pytest.mark.parametrize(
    ("columns", "params", "message"),
    [
        ({"category": [0]}, {"hyperparameter": "0.3"}, "'hyperparameter'.*Can not safely convert `<class 'str'>`"),
        ({"category": [0]}, {"draws": 1.5}, "'draws'.*Can not safely convert `<class 'float'>`"),
        ({"category": [0]}, {"draws": 0}, "draws = 0; must be at least 1"),
        ({"category": [0]}, {"seed": -1}, "seed = -1; must be 0 or greater"),
        ({"category": [0]}, {"hyperparameter": 1.5}, r"s = 1.5 lies outside the anchors' range.*\[0.0, 1.0\]"),
        ({"category": [0]}, {"hyperparameter": float("nan")}, "s = nan lies outside the anchors' range"),
        ({"category": [0]}, {"hyperparameter": True}, "'hyperparameter'.*Can not safely convert"),
        ({"category": [0]}, {"s": 0.5}, "Value must be a 1D array.*'s'.*received float"),
        ({"category": [0]}, {"s": ["0.5"]}, "'s'.*Can not safely convert `<class 'str'>`"),
        ({"category": [0]}, {}, r"s is not given: add a column 's', or the parameter \{'s': \[numbers\]\}"),
        ({"category": [0]}, {"hyperparameter": None}, "s is not given"),
        ({"category": [0]}, {"hyperparameter": 0.5, "seed": None}, "parameter 'seed' is null"),
        (
            {"category": [0]},
            {"hyperparametre": 0.5},
            r"\['hyperparametre'\] are unknown \(did you mean 'hyperparameter'",
        ),
        ({"category": [0]}, {"hyperparameter": 0.5, "drwas": 9}, r"\['drwas'\] are unknown \(did you mean 'draws'"),
        ({"category": [0]}, {"hyperparameter": 0.5, "draws": 10**9}, "1000000000 draws are more than the 1000000 rows"),
        ({"category": [0], "hyperparameter": [0.5]}, {}, r"columns \['hyperparameter'\] are unknown"),
        ({"category": [0], "s": [0.5]}, {"s": [0.5]}, "s is given twice"),
        ({"kind": [0]}, {}, r"columns \['category'\] are missing"),
        ({"category": [0], "catgory": [0]}, {}, r"columns \['catgory'\] are unknown"),
        ({"category": [0.5]}, {}, "'category' is categorical but contains 0.5"),
        ({"category": [None]}, {}, "'category' holds nan in row 0"),
        ({"category": ["a"]}, {}, "'category' contains a non-number"),
        ({"category": [4]}, {}, r"'category' contains 4.0, outside its bounds \[0.0, 3.0\]"),
    ],
)
def test_input_that_cannot_be_used(served, columns, params, message):
    with pytest.raises(MlflowException, match=message) as refused:
        served.predict(pd.DataFrame(columns), params=params)
    assert refused.value.get_http_status_code() == 400
    assert "site-packages" not in str(refused.value)


def test_another_limit_where_the_model_is_loaded(load_champion, monkeypatch):
    monkeypatch.setenv("SURROGATE_ANSWER_ROWS", "3")
    limited = load_champion()
    assert len(limited.predict(np.array([[0]]), params={"hyperparameter": 0.2, "draws": 3})) == 3
    with pytest.raises(MlflowException, match="1 rows × 4 draws are more than the 3 rows"):
        limited.predict(np.array([[0]]), params={"hyperparameter": 0.2, "draws": 4})


def test_a_corrupted_bundle_is_refused(champion_store, load_champion):
    (weights,) = (champion_store.root / "mlartifacts").rglob("weights.safetensors")
    content = weights.read_bytes()
    weights.write_bytes(content[:-8])
    try:
        with pytest.raises(RuntimeError, match=r"weights\.safetensors"):
            load_champion()
    finally:
        weights.write_bytes(content)


CONSUMER = """
import json, sys, warnings
import mlflow, pandas as pd
import mlflow.pyfunc
warnings.simplefilter("error")
model = mlflow.pyfunc.load_model("models:/semicircles@champion")
frame = pd.DataFrame({"category": [0, 3]})
result = model.predict(frame, params={"hyperparameter": 0.3, "draws": 2, "seed": 1})
files = {name: module.__file__ for name, module in sys.modules.items() if name.startswith("pipeline")}
print(json.dumps({"rows": result.to_dict("list"), "files": files}))
"""


@pytest.mark.slow
def test_a_consumer_without_the_project(champion_store, run_outside, fitted_surrogate, tmp_path):
    told = json.loads(run_outside(CONSUMER, tmp_path, MLFLOW_TRACKING_URI=champion_store.uri))
    expected = fitted_surrogate.sample(np.array([[0.0], [3.0]]), 0.3, draws=2, seed=1).reshape(4, 2)
    assert told["rows"]["row"] == [0, 0, 1, 1]
    assert told["rows"]["draw"] == [0, 1, 0, 1]
    assert np.allclose(np.stack([told["rows"]["east"], told["rows"]["north"]], axis=1), expected)
    code = champion_store.root / "mlartifacts"
    (found,) = code.rglob("MLmodel")
    package = mlflow.models.get_model_info(f"{code}/{found.relative_to(code).parent}").metadata["package"]
    assert f"{package}.surrogate.model" in told["files"]
    assert "pipeline.surrogate.model" not in told["files"]
    assert all(Path(file).is_relative_to(code) for file in told["files"].values())
    assert imported_distributions(told["files"].values()) <= set(REQUIREMENTS)


def executed(node):
    """The nodes of a tree outside of `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from executed(child)


def imported_distributions(files):
    """Distributions that the code in `files` imports anywhere but for type checkers."""
    modules = set()
    for file in files:
        for node in executed(ast.parse(Path(file).read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module.partition(".")[0])
    modules = {m for m in modules - set(sys.stdlib_module_names) if not m.startswith("pipeline_")}
    found = importlib.metadata.packages_distributions()
    # several distributions may share a package (mlflow, mlflow-skinny): the one that is required counts
    return {next((d for d in found[m] if d in REQUIREMENTS), found[m][0]) for m in modules}


def test_strict_refuses_what_the_certificate_does_not_trust(fitted_surrogate, small_harvest, tmp_path):
    regions = (Region(0.0, 0.5, "trusted", ("tested",)), Region(0.5, 1.0, "untested", ("nothing is held out here",)))
    certified = fitted_surrogate.certified(regions)
    certified.save(tmp_path / "surrogate")
    save_model(tmp_path / "model", Candidate(tmp_path / "surrogate", certified, small_harvest.conditions[0][:2]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", list(sys.path))
        model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
        frame = pd.DataFrame({"category": [0, 1]})
        assert len(model.predict(frame, params={"hyperparameter": 0.3, "strict": True})) == 2
        with pytest.warns(UserWarning, match=r"untested from 0\.5 to 1"):
            model.predict(frame, params={"hyperparameter": 0.7})
        with pytest.raises(MlflowException, match=r"untested from 0\.5 to 1"):
            model.predict(frame, params={"hyperparameter": 0.7, "strict": True})
