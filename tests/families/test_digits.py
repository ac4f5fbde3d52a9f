import numpy as np

from pipeline.families.digits import load_images, pixel_names


def test_images_are_grey_values_of_every_class():
    data = load_images()
    images, digit = data.arrays["images"], data.arrays["digit"]
    assert (images.shape, images.dtype, digit.dtype) == ((1797, 64), np.float32, np.int64)
    assert (images.min(), images.max()) == (0, 1)
    np.testing.assert_array_equal(images * 16, np.round(images * 16))
    assert np.bincount(digit).min() > 170
    assert len(np.unique(images, axis=0)) == 1797


def test_rows_run_from_the_top_and_columns_from_the_left():
    # A one is a vertical stroke: its ink varies along a row, hardly along a column. A seven has its bar on top.
    data = load_images()
    one, seven = (
        data.arrays["images"][data.arrays["digit"] == d].mean(axis=0).reshape(8, 8).astype(np.float64) for d in (1, 7)
    )
    assert one.std(axis=1).mean() > 2 * one.std(axis=0).mean()
    assert seven[:2].sum() > 1.5 * seven[-2:].sum()


def test_pixels_are_named_by_row_and_column():
    names = pixel_names()
    assert len(set(names)) == 64
    assert (names[0], names[7], names[8], names[63]) == ("pixel_0_0", "pixel_0_7", "pixel_1_0", "pixel_7_7")
