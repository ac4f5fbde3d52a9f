import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.data.harvest import Harvest
from pipeline.data.schema import Column, Schema
from pipeline.errors import BundleError, ConfigurationError, DataError
from pipeline.families.semicircles.family import SemicircleNetwork
from tests.sweeps import line_harvest

TWO = [np.zeros((3, 2)), np.ones((4, 2))]
TWO_CONDITIONS = [np.zeros((3, 1)), np.ones((4, 1))]


@st.composite
def harvests(draw) -> Harvest:
    count, outputs, conditions = draw(st.integers(2, 4)), draw(st.integers(1, 3)), draw(st.integers(0, 3))
    kinds = draw(st.lists(st.sampled_from(["continuous", "categorical"]), min_size=conditions, max_size=conditions))
    anchors = sorted(draw(st.lists(st.floats(-1e6, 1e6), min_size=count, max_size=count, unique=True)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    rows = draw(st.lists(st.integers(1, 5), min_size=count, max_size=count))
    reals = st.floats(-(2.0**100), 2.0**100, width=32)
    ys = [draw(hnp.arrays(dtype, (n, outputs), elements=reals)) for n in rows]
    xs = [
        np.stack(
            [
                draw(hnp.arrays(dtype, n, elements=reals if kind == "continuous" else st.integers(0, 9).map(float)))
                for kind in kinds
            ],
            axis=1,
        )
        if kinds
        else np.zeros((n, 0), dtype)
        for n in rows
    ]
    return Harvest.from_arrays(anchors, ys, xs, kinds, deterministic=draw(st.sampled_from([None, True, False])))


@given(harvests())
@settings(max_examples=60, deadline=None)
def test_saved_harvest_comes_back_bit_for_bit(tmp_path_factory, harvest):
    folder = tmp_path_factory.mktemp("harvest") / "h"
    harvest.save(folder)
    again = Harvest.load(folder)
    assert again.digest == harvest.digest
    assert again.schema == harvest.schema
    np.testing.assert_array_equal(again.hyperparameter, harvest.hyperparameter)
    for name in ("outputs", "conditions"):
        for a, b in zip(getattr(again, name), getattr(harvest, name), strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


def test_files_are_one_parquet_an_anchor_and_a_schema(tmp_path):
    harvest = Harvest.from_arrays(
        [0, 1],
        TWO,
        [np.zeros((3, 1)), np.full((4, 1), 2)],
        "categorical",
        names={"hyperparameter": "weight", "outputs": ["speed", "angle"], "conditions": ["road"]},
        units={"speed": "m/s", "weight": "kg"},
        bounds={"angle": (None, 3.2)},
    )
    harvest.save(tmp_path / "h")
    assert sorted(p.name for p in (tmp_path / "h").iterdir()) == ["anchor-0.parquet", "anchor-1.parquet", "schema.json"]
    assert pq.read_table(tmp_path / "h" / "anchor-1.parquet").column_names == ["road", "speed", "angle"]
    schema = json.loads((tmp_path / "h" / "schema.json").read_text())["schema"]
    assert schema["hyperparameter"] | {"name": "weight", "units": "kg"} == schema["hyperparameter"]
    assert schema["outputs"][0]["units"] == "m/s"
    assert schema["outputs"][1]["upper"] == 3.2
    assert schema["conditions"][0]["kind"] == "categorical"


def test_networks_travel_along(tmp_path):
    networks = [SemicircleNetwork(0.0), SemicircleNetwork(1.0)]
    Harvest.from_arrays([0, 1], TWO, TWO_CONDITIONS, networks=networks).save(tmp_path / "h")
    assert list(Harvest.load(tmp_path / "h").networks) == networks


@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.uint64, np.int32, bool, ">f8"])
def test_every_numeric_dtype_becomes_a_float(dtype):
    codes = [np.zeros((3, 1), dtype), np.ones((4, 1), dtype)]
    harvest = Harvest.from_arrays([0, 1], TWO, codes, "categorical")
    assert {x.dtype for x in harvest.conditions} <= {np.dtype(np.float32), np.dtype(np.float64)}
    assert harvest.conditions[1].tolist() == [[1.0]] * 4


def test_one_kind_a_column():
    x = [np.array([[0.0, 0.5]] * len(y)) for y in TWO]
    assert Harvest.from_arrays([0, 1], TWO, x, ["categorical", "continuous"]).categorical == (True, False)
    with pytest.raises(ConfigurationError, match="condition_kind has 1 entries for 2 condition columns"):
        Harvest.from_arrays([0, 1], TWO, x, ["categorical"])


def test_digest_depends_on_every_part():
    def digest(**changes):
        parts = {"hyperparameter": [0, 1], "outputs": TWO, "conditions": TWO_CONDITIONS} | changes
        return Harvest.from_arrays(**parts).digest

    changed = [
        digest(hyperparameter=[0, 2]),
        digest(outputs=[TWO[0], TWO[1] + 1e-9]),
        digest(conditions=[TWO_CONDITIONS[0], TWO_CONDITIONS[1] + 1]),
        digest(units={"y0": "m"}),
        digest(condition_kind="categorical"),
        digest(),
    ]
    assert len(set(changed)) == len(changed)
    assert digest() == digest()


def test_select_keeps_some_values():
    harvest = line_harvest((0.0, 0.5, 1.0))
    some = harvest.select([0.0, 1.0])
    assert some.hyperparameter.tolist() == [0, 1]
    assert some.outputs[1] is harvest.outputs[2]
    with pytest.raises(DataError, match=r"hyperparameter \[0.7\] not in the harvest; it contains \[0.0, 0.5, 1.0\]"):
        harvest.select([0.0, 0.7])


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        ([1, 0], r"hyperparameter = \[1.0, 0.0\]: 1.0 comes before 0.0; sort them ascending"),
        ([1, 1], "1.0 is repeated"),
        ([0, np.nan], r"\[nan\] are not finite"),
        ([0], "at least two anchors"),
        ([0, 1, 2], "2 arrays for 3 anchors"),
    ],
)
def test_anchors_that_do_not_fit_are_refused(anchors, message):
    with pytest.raises(DataError, match=message):
        Harvest.from_arrays(anchors, TWO, TWO_CONDITIONS)


@pytest.mark.parametrize(
    ("outputs", "conditions", "message"),
    [
        ([TWO[0], np.ones((4, 3))], TWO_CONDITIONS, r"outputs: columns differ between the anchors \(\[2, 3\]\)"),
        (TWO, [TWO_CONDITIONS[0], np.ones((4, 2))], r"conditions: columns differ between the anchors \(\[1, 2\]\)"),
        (TWO, [TWO_CONDITIONS[0], np.ones((3, 1))], r"anchor 1.0: 4 rows of outputs but 3 of conditions"),
        ([TWO[0], np.ones(4)], TWO_CONDITIONS, r"outputs: columns differ between the anchors \(\[1, 2\]\)"),
        ([TWO[0], np.ones((0, 2))], [TWO_CONDITIONS[0], np.ones((0, 1))], r"outputs\[1\] is empty"),
        ([np.ones((3, 0)), np.ones((4, 0))], TWO_CONDITIONS, "outputs must have at least one column"),
        ([TWO[0], np.full((4, 2), "a")], TWO_CONDITIONS, r"outputs\[1\] has dtype object; must be real numbers"),
        ([TWO[0], TWO[1] * 1j], TWO_CONDITIONS, r"outputs\[1\] has dtype complex128; must be real numbers"),
        (
            [TWO[0], np.array([[1, 2], [3, np.nan]] * 2)],
            TWO_CONDITIONS,
            r"outputs\[1\]\[1, 1\] = nan \(anchor 1.0, column 'y1'\); must be",
        ),
        (TWO, [TWO_CONDITIONS[0], np.array([[0], [0], [np.inf], [0]])], r"conditions\[1\]\[2, 0\] = inf"),
    ],
)
def test_samples_that_do_not_fit_are_refused(outputs, conditions, message):
    with pytest.raises(DataError, match=message):
        Harvest.from_arrays([0, 1], outputs, conditions)


def test_codes_that_are_no_whole_numbers_are_refused():
    with pytest.raises(DataError, match=r"conditions\[0\]: column 'x0' is categorical but contains 0.5"):
        Harvest.from_arrays([0, 1], TWO, [TWO_CONDITIONS[0] + 0.5, TWO_CONDITIONS[1]], "categorical")


def test_values_outside_their_bounds_are_refused():
    with pytest.raises(DataError, match=r"outputs\[1\]: column 'y0' contains 1.0, outside its bounds \[-1.0, 0.5\]"):
        Harvest.from_arrays([0, 1], TWO, TWO_CONDITIONS, bounds={"y0": (-1.0, 0.5)})


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"names": {"output": ["a", "b"]}}, r"names: unknown \['output'\]"),
        ({"names": {"outputs": ["a"]}}, r"names\['outputs'\] has 1 entries for 2 columns"),
        ({"names": {"outputs": ["a", "a"]}}, r"column names \['a'\] are repeated"),
        ({"names": {"outputs": ["row", "b"]}}, r"column names \['row'\] are repeated or reserved"),
        ({"units": {"z": "m"}}, r"units: \['z'\] are not columns"),
        ({"bounds": {"z": (0, 1)}}, r"bounds: \['z'\] are not columns"),
        ({"bounds": {"y0": (5, 1)}}, "must lie below"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(keywords, message):
    with pytest.raises(ConfigurationError, match=message):
        Harvest.from_arrays([0, 1], TWO, TWO_CONDITIONS, **keywords)


def test_networks_are_one_an_anchor():
    with pytest.raises(DataError, match="networks: 1 for 2 anchors"):
        Harvest.from_arrays([0, 1], TWO, TWO_CONDITIONS, networks=[SemicircleNetwork(0.0)])


def test_schema_of_another_width_is_refused():
    schema = Schema(hyperparameter=Column(name="λ"), outputs=(Column(name="y"),), conditions=(Column(name="x"),))
    with pytest.raises(DataError, match=r"outputs\[0\] has 2 columns, the schema 1"):
        Harvest.from_arrays([0, 1], TWO, TWO_CONDITIONS, schema=schema)


class TestBrokenFolders:
    @pytest.fixture
    def folder(self, tmp_path):
        line_harvest((0.0, 1.0)).save(tmp_path / "h")
        return tmp_path / "h"

    @pytest.fixture
    def by_hand(self, folder):
        """As somebody else's program may write it: without checksums."""
        document = json.loads((folder / "schema.json").read_text())
        del document["sha256"]
        (folder / "schema.json").write_text(json.dumps(document))
        return folder

    def refused(self, folder, error, message):
        with pytest.raises(error, match=message):
            Harvest.load(folder)

    def test_no_folder(self, tmp_path):
        self.refused(tmp_path / "absent", BundleError, "schema.json is missing: .* does not contain a complete harvest")

    def test_missing_anchor(self, folder):
        (folder / "anchor-1.parquet").unlink()
        self.refused(folder, BundleError, "anchor-1.parquet is missing")

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 100])
    def test_corrupted_anchor(self, folder, content):
        (folder / "anchor-1.parquet").write_bytes(content)
        self.refused(folder, BundleError, "anchor-1.parquet is corrupted")

    @pytest.mark.parametrize("text", ["", "[]", "3", '{"format": 1}', '{"format": 1, "hyperparameter": null}'])
    def test_corrupted_schema(self, folder, text):
        (folder / "schema.json").write_text(text)
        self.refused(folder, BundleError, r"schema\.json is (corrupted|not a valid harvest schema)")

    def test_format_of_the_future(self, folder):
        document = json.loads((folder / "schema.json").read_text()) | {"format": 9}
        (folder / "schema.json").write_text(json.dumps(document))
        self.refused(folder, BundleError, "format 9 of a harvest; this version reads 1")

    def test_missing_column(self, by_hand):
        table = pq.read_table(by_hand / "anchor-0.parquet").drop_columns(["x1"])
        pq.write_table(table, by_hand / "anchor-0.parquet")
        self.refused(by_hand, DataError, r"columns \['x1'\] are missing; it contains \['x0', 'y0', 'y1'\]")

    def test_no_rows(self, by_hand):
        pq.write_table(pq.read_table(by_hand / "anchor-0.parquet").slice(0, 0), by_hand / "anchor-0.parquet")
        self.refused(by_hand, DataError, "anchor-0.parquet is empty")

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (pa.array([1.0, None, 2.0]), r"outputs\[0\]\[1, 0\] = nan"),
            (pa.array([1, None, 2]), r"outputs\[0\]\[1, 0\] = nan"),
            (pa.array(["a", "b", "c"]), "must be real numbers"),
        ],
        ids=["null", "null among integers", "text"],
    )
    def test_values_that_are_no_numbers(self, by_hand, values, message):
        table = pq.read_table(by_hand / "anchor-0.parquet").slice(0, 3)
        pq.write_table(table.set_column(2, "y0", values), by_hand / "anchor-0.parquet")
        self.refused(by_hand, DataError, message)

    def test_no_checksums_are_needed(self, by_hand):
        assert Harvest.load(by_hand).digest == line_harvest((0.0, 1.0)).digest

    @pytest.mark.parametrize("name", ["anchor-1.parquet", "networks/0/family.json"])
    def test_changed_byte(self, tmp_path, name):
        networks = [SemicircleNetwork(0.0), SemicircleNetwork(1.0)]
        Harvest.from_arrays([0, 1], TWO, TWO_CONDITIONS, networks=networks).save(tmp_path / "h")
        content = bytearray((tmp_path / "h" / name).read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / "h" / name).write_bytes(content)
        self.refused(tmp_path / "h", BundleError, rf"{name} is corrupted \(checksum mismatch\)")

    @pytest.mark.parametrize("checksums", [3, None, ["a"]])
    def test_checksums_that_are_none(self, folder, checksums):
        document = json.loads((folder / "schema.json").read_text()) | {"sha256": checksums}
        (folder / "schema.json").write_text(json.dumps(document))
        self.refused(folder, BundleError, r"schema\.json is not a valid harvest schema")

    def test_unsorted_values(self, folder):
        document = json.loads((folder / "schema.json").read_text()) | {"hyperparameter": [1.0, 0.0]}
        (folder / "schema.json").write_text(json.dumps(document))
        self.refused(folder, DataError, "1.0 comes before 0.0")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_torch_tensors_are_taken_with_their_gradients_left_behind(dtype):
    values = torch.tensor([[0.5], [2.0]], dtype=dtype, requires_grad=True)
    harvest = Harvest.from_arrays(torch.tensor([0.0, 1.0]), [values, values], [values, values])
    np.testing.assert_array_equal(harvest.outputs[0], [[0.5], [2.0]])
    assert harvest.outputs[0].dtype == (np.float64 if dtype == torch.float64 else np.float32)


def test_callers_memory_is_not_kept():
    y, anchors = np.zeros((3, 1)), np.array([0.0, 1.0])
    harvest = Harvest.from_arrays(anchors, [y, y], [y, y])
    before = harvest.digest
    y[:], anchors[:] = 7, 7
    assert not harvest.outputs[0].any()
    assert not harvest.conditions[1].any()
    assert Harvest.from_arrays([0, 1], harvest.outputs, harvest.conditions).digest == before


def test_masked_values_are_refused():
    masked = np.ma.masked_array(np.zeros((3, 1)), mask=[[False], [True], [False]])
    with pytest.raises(DataError, match=r"outputs\[1\] has masked values; fill them .*, or drop their rows"):
        Harvest.from_arrays([0, 1], [np.zeros((3, 1)), masked], [np.zeros((3, 0))] * 2)
    assert Harvest.from_arrays([0, 1], [np.ma.masked_array(np.zeros((3, 1)))] * 2, [np.zeros((3, 0))] * 2)


def test_ragged_lists_are_refused():
    with pytest.raises(DataError, match=r"outputs\[0\] is not a rectangular array: all rows must have the same length"):
        Harvest.from_arrays([0, 1], [[[1.0], [2.0, 3.0]], [[1.0]]], [np.zeros((2, 0)), np.zeros((1, 0))])


def test_what_is_no_network_is_refused():
    with pytest.raises(ConfigurationError, match=r"networks: \['int', 'int'\] are not networks; each needs family"):
        Harvest.from_arrays([0, 1], TWO, TWO_CONDITIONS, networks=[1, 2])


@pytest.mark.parametrize(
    ("values", "message"),
    [([0.5], "at least two anchors"), ([], "at least two anchors"), ([1.0, 0.0], "sort them ascending")],
)
def test_selection_is_a_harvest_too(values, message):
    with pytest.raises(DataError, match=message):
        line_harvest((0.0, 0.5, 1.0)).select(values)


def test_infinite_bounds_are_none_and_survive_the_disk(tmp_path):
    bounds = {"y0": (-np.inf, np.inf), "x0": (np.float32(-np.inf), 5.0)}
    harvest = Harvest.from_arrays([0, 1], TWO, TWO_CONDITIONS, bounds=bounds)
    assert (harvest.schema.outputs[0].lower, harvest.schema.outputs[0].upper) == (None, None)
    assert (harvest.schema.conditions[0].lower, harvest.schema.conditions[0].upper) == (None, 5.0)
    harvest.save(tmp_path / "h")
    assert Harvest.load(tmp_path / "h").schema == harvest.schema


@pytest.mark.parametrize("bounds", [(np.inf, None), (None, -np.inf), (np.nan, None)])
def test_bounds_that_hold_nothing_are_refused(bounds):
    with pytest.raises(ConfigurationError, match="finite number"):
        Harvest.from_arrays([0, 1], TWO, TWO_CONDITIONS, bounds={"y0": bounds})
