import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.errors import DataError
from pipeline.families.protocol import Data
from pipeline.stages import ingest
from tests.sweeps import sweep_config


def test_series_becomes_arrays(root):
    ingest.run(sweep_config(), root)
    data = Data.load(root / "data" / "small" / "data")
    assert data.arrays["values"].shape == (300,)
    assert data.attributes == {"column": "value", "units": "kW"}


def test_code_becomes_empty_data(root):
    ingest.run(sweep_config("semicircles"), root)
    assert Data.load(root / "data" / "circles" / "data") == Data()


def test_harvest_is_copied_whole(root):
    ingest.run(sweep_config("harvest"), root)
    assert Harvest.load(root / "data" / "handed" / "data").digest == Harvest.load(root / "handed").digest


def test_absolute_source_is_read_where_it_lies(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "mine.csv"
    elsewhere.write_text("load\n" + "".join(f"{v}\n" for v in np.arange(100)))
    ingest.run(sweep_config(ingest={"source": str(elsewhere), "column": "load"}), root)
    assert len(Data.load(root / "data" / "small" / "data").arrays["values"]) == 100


def test_bad_source_leaves_nothing_behind(root):
    (root / "series.csv").write_text("value\n1\n")
    with pytest.raises(DataError, match="has 1 rows"):
        ingest.run(sweep_config(), root)
    assert not (root / "data").exists()
