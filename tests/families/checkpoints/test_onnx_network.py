from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.data.network import save_network
from pipeline.data.schema import Column, Schema
from pipeline.errors import BundleError, DataError
from pipeline.families.catalog import load_network
from pipeline.families.checkpoints.onnx_network import OnnxNetwork
from pipeline.registry.package import foreign_modules, locate, needed

X = np.array([[1.0, 2.0], [-3.0, 0.5]], np.float32)
COLUMNS = Schema(
    hyperparameter=Column(name="λ"),
    outputs=(Column(name="y"), Column(name="z")),
    conditions=(Column(name="a"), Column(name="b")),
)


def write(path: Path, kind: int = TensorProto.FLOAT, rows: int | str = "N", width: int = 2, noise: int = 0) -> Path:
    """y = x W, plus the noise where there is some: W doubles the first column and turns the second one round."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    weights = numpy_helper.from_array(np.diag([2.0, -1.0]).astype(dtype)[:width], "W")
    inputs = [helper.make_tensor_value_info("x", kind, [rows, width])]
    nodes = [helper.make_node("MatMul", ["x", "W"], ["mean" if noise else "y"])]
    if noise:
        inputs.append(helper.make_tensor_value_info("noise", kind, [rows, noise]))
        nodes.append(helper.make_node("Add", ["mean", "noise"], ["y"]))
    outputs = [helper.make_tensor_value_info("y", kind, [rows, 2])]
    graph = helper.make_graph(nodes, "line", inputs, outputs, [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE])
def test_outputs_are_the_models(tmp_path, kind):
    network = OnnxNetwork.read(write(tmp_path / "a.onnx", kind), COLUMNS)
    outputs = network.outputs(X, 3, 0)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, np.repeat((X * [2, -1])[:, None], 3, axis=1), rtol=1e-6)


def test_second_input_takes_noise_from_the_seed(tmp_path):
    network = OnnxNetwork.read(write(tmp_path / "a.onnx", noise=2), COLUMNS)
    noise = network.outputs(X, 5000, 1) - (X * [2, -1])[:, None]
    np.testing.assert_allclose(noise.mean(axis=(0, 1)), 0, atol=0.05)
    np.testing.assert_allclose(noise.std(axis=(0, 1)), 1, atol=0.05)
    np.testing.assert_array_equal(network.outputs(X, 4, 1), network.outputs(X, 4, 1))
    assert not np.array_equal(network.outputs(X, 4, 1), network.outputs(X, 4, 2))


def test_file_comes_back_as_it_was(tmp_path):
    path = write(tmp_path / "a.onnx", noise=2)
    network = OnnxNetwork.read(path, COLUMNS)
    save_network(network, tmp_path / "saved")
    assert (tmp_path / "saved" / "model.onnx").read_bytes() == path.read_bytes()
    np.testing.assert_array_equal(load_network(tmp_path / "saved").outputs(X, 4, 1), network.outputs(X, 4, 1))


def test_weights_beside_the_file_come_along(tmp_path):
    model = onnx.load(write(tmp_path / "a.onnx"))
    large = tmp_path / "large"
    large.mkdir()
    onnx.save(model, large / "b.onnx", save_as_external_data=True, size_threshold=0, location="b.onnx.data")
    assert (large / "b.onnx.data").is_file()
    network = OnnxNetwork.read(large / "b.onnx", COLUMNS)
    save_network(network, tmp_path / "saved")
    (large / "b.onnx.data").unlink()
    np.testing.assert_allclose(load_network(tmp_path / "saved").outputs(X, 1, 0)[:, 0], X * [2, -1], rtol=1e-6)
    with pytest.raises(BundleError, match=r"b.onnx is not an ONNX model, lacks files beside it, .*: .*b.onnx.data"):
        OnnxNetwork.read(large / "b.onnx", COLUMNS)


def test_rows_that_do_not_match_the_conditions_are_refused(tmp_path):
    rows = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])]
    turned = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, "N"])]
    graph = helper.make_graph([helper.make_node("Transpose", ["x"], ["y"])], "turned", rows, turned)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "a.onnx")
    network = OnnxNetwork.read(tmp_path / "a.onnx", COLUMNS)
    with pytest.raises(DataError, match=r"a.onnx gave outputs of shape \(2, 6\) for 6 rows of conditions; a row of"):
        network.outputs(X, 3, 0)


def test_registered_model_requires_the_runtime(tmp_path):
    network = OnnxNetwork.read(write(tmp_path / "a.onnx"), COLUMNS)
    assert needed(network) == ("checkpoints", "onnxruntime:InferenceSession")
    assert locate(foreign_modules(needed(network))) == ([], ["onnxruntime"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rows": 1}, r"input 'x' is tensor\(float\) \[1, 2\]; .* export it with a dynamic first axis"),
        ({"kind": TensorProto.INT64}, r"input 'x' is tensor\(int64\)"),
        ({"width": 1}, "input 'x' takes 1 columns, train.columns has 2 conditions"),
    ],
)
def test_model_that_cannot_be_asked_is_refused(tmp_path, settings, message):
    with pytest.raises(BundleError, match=rf"a.onnx.*{message}"):
        OnnxNetwork.read(write(tmp_path / "a.onnx", **settings), COLUMNS)


def test_broken_file_is_refused(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"a.onnx is not an ONNX model"):
        OnnxNetwork.read(tmp_path / "a.onnx", COLUMNS)
