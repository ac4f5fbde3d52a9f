import pytest
import torch

from pipeline.errors import BundleError, ConfigurationError, DataError, SpaceError
from pipeline.stages.check import check
from pipeline.stages.space import BESIDE, needed_bytes
from tests.sweeps import SWEEPS, line_harvest, sweep_config, write_source


@pytest.fixture
def root(tmp_path):
    write_source(tmp_path)
    (tmp_path / "cycle.csv").write_text("v\n" + "1\n2\n3\n" * 100)
    line_harvest((0.0, 0.5, 1.0)).save(tmp_path / "handed")
    return tmp_path


@pytest.mark.parametrize("kind", SWEEPS)
def test_good_sweeps_pass_and_nothing_is_written(root, kind):
    before = sorted(root.rglob("*"))
    check(sweep_config(kind), root)
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize(
    ("kind", "fit"),
    [
        ("harvest", {"clock": "hold", "clock_prior": "linear"}),
        ("semicircles", {"clock": "linear", "clock_prior": "auto"}),
        ("quantile_forecaster", {"clock": "learnt", "clock_prior": "probit"}),
        ("quantile_forecaster", {"clock": "mirror_log"}),
    ],
)
def test_clocks_that_the_anchors_allow_pass(root, kind, fit):
    check(sweep_config(kind, fit=fit), root)


def test_bundled_file_need_not_be_there_yet(tmp_path):
    ingest = {"source": "data/raw/seattle-temps.csv", "column": "temp"}
    check(sweep_config(raw={"bundled": ["seattle-temps.csv"]}, ingest=ingest), tmp_path)
    with pytest.raises(DataError, match=r"ingest.column = 'tmp' is not in .*; its columns are \['date', 'temp'\]"):
        check(sweep_config(raw={"bundled": ["seattle-temps.csv"]}, ingest=ingest | {"column": "tmp"}), tmp_path)


@pytest.mark.parametrize(
    ("kind", "sections", "error", "message"),
    [
        (
            "quantile_forecaster",
            {"network": "forecaster"},
            ConfigurationError,
            "network = 'forecaster' is not a family",
        ),
        ("quantile_forecaster", {"train": {"depth": 3}}, ConfigurationError, "train.depth: unknown key"),
        ("semicircles", {"train": {"seed": 0, "depth": 3}}, ConfigurationError, "train.depth: unknown key"),
        ("harvest", {"train": {"depth": 3}}, ConfigurationError, r"train: \['depth'\] with network = null"),
        (
            "quantile_forecaster",
            {"sweep": {"values": [0.5, 1.5], "anchors": [0.5, 1.5]}},
            ConfigurationError,
            "sweep.values: quantile 1.5",
        ),
        (
            "quantile_forecaster",
            {"ingest": {"source": "gone.csv"}},
            DataError,
            "ingest.source = gone.csv does not exist",
        ),
        ("quantile_forecaster", {"raw": {"bundled": ["gone.csv"]}}, ConfigurationError, "ships no file 'gone.csv'"),
        ("quantile_forecaster", {"ingest": {"source": "series.csv", "column": "v"}}, DataError, "ingest.column = 'v'"),
        ("quantile_forecaster", {"ingest": {"source": "cycle.csv", "column": "v"}}, DataError, "for the split score"),
        (
            "harvest",
            {"fit": {"clock": "probit"}},
            ConfigurationError,
            r"clock = 'probit' is not finite on the anchors \[0.0, 1.0\]",
        ),
        (
            "harvest",
            {"fit": {"clock_prior": "log"}},
            ConfigurationError,
            r"clock_prior = 'log' is not finite on the anchors \[0.0, 1.0\]",
        ),
        (
            "harvest",
            {"fit": {"clock": "learnt"}},
            ConfigurationError,
            r"fit.clock = 'learnt' with sweep.anchors = \[0.0, 1.0\]: at least three anchors are required",
        ),
        ("harvest", {"ingest": {"source": "gone"}}, BundleError, "does not contain a complete harvest"),
        ("harvest", {"sweep": {"values": [], "anchors": [0, 0.7]}}, DataError, r"\[0.7\] are not in the harvest"),
        ("harvest", {"sweep": {"values": [], "anchors": [0, 0.5]}}, DataError, r"held-out \[1.0\] lie outside"),
    ],
)
def test_what_a_stage_would_refuse_is_refused_before(root, kind, sections, error, message):
    with pytest.raises(error, match=message):
        check(sweep_config(kind, **sections), root)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_device_that_is_not_there_is_refused_before_training(root):
    with pytest.raises(ConfigurationError, match="device = 'cuda', but this machine has no CUDA device"):
        check(sweep_config(fit={"device": "cuda"}), root)


def test_a_flavour_that_cannot_be_served_is_refused_before_training(root, monkeypatch):
    served = {"model": "m", "flavour": "onnx"}
    check(sweep_config("semicircles", register=served), root)
    check(sweep_config("quantile_forecaster", register=served), root)
    sweep = {"values": [0.0, 0.2, 0.5], "anchors": [0.0, 0.5]}
    moons = {"network": "two_moons_diffusion", "sweep": sweep, "register": served}
    with pytest.raises(ConfigurationError, match=r"two_moons_diffusion have no ONNX counterpart: its family has no"):
        check(sweep_config("semicircles", **moons), root)
    monkeypatch.setattr("pipeline.storage.onnx_session.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"register\.flavour = 'onnx' needs onnx and onnxruntime"):
        check(sweep_config("semicircles", register=served), root)


def test_a_sweep_that_the_disk_has_no_room_for_is_refused(root):
    harvest = {"fit_conditions": 1_000_000, "score_conditions": 1_000_000, "draws": 1_000_000}
    with pytest.raises(
        SpaceError, match=r"is expected to take [\d.]+ GiB, and .* GiB left; free some, or reduce harvest"
    ):
        check(sweep_config("semicircles", harvest=harvest), root)


def test_what_a_sweep_takes_grows_with_its_samples():
    schema = line_harvest((0.0, 1.0)).schema
    few, many = (
        needed_bytes(
            sweep_config("semicircles", harvest={"fit_conditions": 10, "score_conditions": 10, "draws": n}), schema
        )
        for n in (100, 300)
    )
    assert (many - BESIDE) == 3 * (few - BESIDE) > 0
