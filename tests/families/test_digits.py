import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.families.digits import check_images, load_images, pixel_names


def test_images_are_grey_values_of_every_class(tmp_path):
    (tmp_path / "code.py").touch()
    data = load_images(tmp_path / "code.py")
    images, digit = data.arrays["images"], data.arrays["digit"]
    assert (images.shape, images.dtype, digit.dtype) == ((1797, 64), np.float32, np.int64)
    assert (images.min(), images.max()) == (0, 1)
    np.testing.assert_array_equal(images * 16, np.round(images * 16))
    assert np.bincount(digit).min() > 170
    assert len(np.unique(images, axis=0)) == 1797


def test_rows_run_from_the_top_and_columns_from_the_left(tmp_path):
    # A one is a vertical stroke: its ink varies along a row, hardly along a column. A seven has its bar on top.
    (tmp_path / "code.py").touch()
    data = load_images(tmp_path / "code.py")
    one, seven = (
        data.arrays["images"][data.arrays["digit"] == d].mean(axis=0).reshape(8, 8).astype(np.float64) for d in (1, 7)
    )
    assert one.std(axis=1).mean() > 2 * one.std(axis=0).mean()
    assert seven[:2].sum() > 1.5 * seven[-2:].sum()


def test_pixels_are_named_by_row_and_column():
    names = pixel_names()
    assert len(set(names)) == 64
    assert (names[0], names[7], names[8], names[63]) == ("pixel_0_0", "pixel_0_7", "pixel_1_0", "pixel_7_7")


def test_missing_source_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"absent.py does not exist; set pipeline/families/digits.py"):
        load_images(tmp_path / "absent.py")


@pytest.mark.parametrize("shape", [(64,), (3, 63), (2, 8, 8)])
def test_what_are_no_images_is_refused(shape):
    with pytest.raises(DataError, match=r"images have shape \(.*\); \(N, 64\) is needed"):
        check_images(np.zeros(shape))
