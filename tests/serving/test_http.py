"""The served model over HTTP: MLflow's scoring server, in this process."""

import json
import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import mlflow
import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.pyfunc import scoring_server

from pipeline.registry.package import Candidate, save_model
from pipeline.serving.flavour import Flavour

SECONDS = 5.0
GIGABYTES = 2.0
SPLIT = {"dataframe_split": {"columns": ["category"], "data": [[0], [3]]}}


@pytest.fixture(scope="module", params=get_args(Flavour))
def client(request, fitted_surrogate, small_harvest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("http")
    fitted_surrogate.save(folder / "bundle")
    example = small_harvest.conditions[0][:2]
    save_model(folder / "model", Candidate(folder / "bundle", fitted_surrogate, example, flavour=request.param))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", list(sys.path))
        patch.setenv("SURROGATE_ANSWER_ROWS", "50000")
        patch.setattr(os, "environ", os.environ.copy())  # the server says in it that it serves
        yield TestClient(
            scoring_server.init(mlflow.pyfunc.load_model(str(folder / "model"))), raise_server_exceptions=False
        )


def post(client, body, kind="application/json"):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/invocations", content=content, headers={"Content-Type": kind})


@pytest.mark.parametrize(
    "data",
    [
        SPLIT,
        {"dataframe_split": {"data": [[0], [3]]}},
        {"dataframe_records": [{"category": 0}, {"category": 3}]},
        {"inputs": {"category": [0, 3]}},
        {"inputs": [[0], [3]]},
        {"inputs": [0, 3]},
        {"instances": [{"category": 0}, {"category": 3}]},
        {"instances": [[0.0], [3.0]]},
    ],
)
def test_every_form_of_a_request(client, fitted_surrogate, data):
    answer = post(client, data | {"params": {"s": [0.3, 0.6], "draws": 2, "seed": 1}})
    assert answer.status_code == 200, answer.text
    rows = answer.json()["predictions"]
    assert [(r["row"], r["s"], r["draw"]) for r in rows] == [
        (i, s, j) for i in (0, 1) for s in (0.3, 0.6) for j in (0, 1)
    ]
    expected = fitted_surrogate.sample(np.array([[0.0], [3.0]]), 0.3, draws=2, seed=1).reshape(-1, 2)
    found = [[r["east"], r["north"]] for r in rows if r["s"] == 0.3]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_csv_with_lambda_as_a_column(client):
    answer = post(client, b"category,s\n0,0.3\n3,0.7\n", "text/csv")
    assert answer.status_code == 200, answer.text
    assert [row["row"] for row in answer.json()["predictions"]] == [0, 1]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (SPLIT, "s is not given: add a column 's'"),
        (SPLIT | {"params": {"s": 0.5}}, "Value must be a 1D array with shape (-1,) for param 's'"),
        (SPLIT | {"params": {"hyperparameter": [0.5]}}, "Value must be a scalar"),
        (SPLIT | {"params": {"hyperparameter": 0.5, "seed": None}}, "parameter 'seed' is null"),
        (SPLIT | {"params": {"hyperparameter": 0.5, "drwas": 2}}, "did you mean 'draws'?"),
        (SPLIT | {"params": {"hyperparameter": 0.5, "draws": 10**9}}, "more than the 50000 rows"),
        (SPLIT | {"params": {"s": [0.5, 1.5]}}, "lies outside the anchors' range"),
        (SPLIT | {"params": [1]}, "Parameters must be a dictionary"),
        ({"dataframe_records": [{"category": 0, "quantile": 0.5}]}, "columns ['quantile'] are unknown"),
        ({"inputs": "hot", "params": {"hyperparameter": 0.5}}, "a table with the columns ['category'] is needed"),
        ({"messages": []}, "columns ['category'] are missing"),
        ({}, "exactly one of the input fields"),
    ],
)
def test_requests_that_cannot_be_answered(client, body, message):
    answer = post(client, body)
    assert answer.status_code == 400, answer.text
    told = answer.json()
    assert message in told["message"]
    assert "stack_trace" not in told
    assert "site-packages" not in answer.text


def test_eight_threads_answer_as_one(client):
    bodies = [SPLIT | {"params": {"hyperparameter": i / 40, "draws": 30, "seed": i}} for i in range(40)]
    alone = [post(client, body).json() for body in bodies]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda body: post(client, body).json(), bodies))
    assert together == alone


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([10**400, 1e308])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["category", "s", "x", ""]), inner, max_size=3)
    ),
    max_leaves=8,
)
tables = st.one_of(
    st.fixed_dictionaries(
        {"columns": st.lists(st.sampled_from(["category", "s", "base_east", 3]), max_size=3), "data": values}
    ),
    st.lists(st.dictionaries(st.sampled_from(["category", "s", "base_s"]), scalars, max_size=3), max_size=3),
    values,
)
params = st.dictionaries(
    st.sampled_from(["hyperparameter", "s", "draws", "seed", "strict", "return_bands", "return_paths", "x"]),
    values | st.sampled_from([0.3, [0.3], 10**9, True]),
    max_size=4,
)
wild = st.builds(
    lambda form, table, given: {form: table} | ({} if given is None else {"params": given}),
    st.sampled_from(["dataframe_split", "dataframe_records", "inputs", "instances", "data", "prompt"]),
    tables,
    params | values,
)
# Nearly good ones get as far as the surrogate.
nearly = st.builds(
    lambda rows, given: {"dataframe_records": rows, "params": {"hyperparameter": 0.3} | given},
    st.lists(
        st.fixed_dictionaries(
            {"category": st.integers(0, 3) | scalars},
            optional={
                "s": st.floats(0, 1),
                "base_east": st.floats(),
                "base_north": st.floats(),
                "base_s": st.floats(0, 1),
            },
        ),
        min_size=1,
        max_size=3,
    )
    | st.lists(st.fixed_dictionaries({"category": st.integers(0, 3)}), max_size=3),
    st.dictionaries(
        st.sampled_from(["draws", "seed", "strict", "return_bands", "return_paths"]),
        st.integers() | st.booleans() | st.integers(1, 10**5),
        max_size=2,
    ),
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@given(body=(wild | nearly).map(lambda body: json.dumps(body).encode()) | st.binary(max_size=40))
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_body_brings_the_server_down(client, body):
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    answer = post(client, body)
    assert answer.status_code < 500, answer.text
    if answer.status_code == 200:
        json.loads(answer.text, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    assert time.monotonic() - begun < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20 < GIGABYTES
