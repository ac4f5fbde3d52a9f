"""The digits that scikit-learn brings along: 1,797 grey images of 8×8 pixels by 13 writers (UCI, 1998).

Both families on digits take them from here. scikit-learn is imported where they are read, and nowhere else.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.families.protocol import Data

SIDE = 8
PIXELS = SIDE * SIDE
CLASSES = 10
COMPONENTS = 40
BRIGHTEST = 16.0
"""The largest grey value in the files; images are divided by it."""


def load_images(source: Path) -> Data:
    """Images (1797, 64) float32 in [0, 1], row by row from the top left, and classes (1797,) int64, 0 … 9.

    The source is not read: it names the module that knows where the images are. Raises DataError where it is missing.
    """
    if not source.exists():
        raise DataError(f"ingest.source = {source} does not exist; set pipeline/families/digits.py")
    from sklearn.datasets import load_digits

    pixels, digit = load_digits(return_X_y=True)
    return Data({"images": (pixels / BRIGHTEST).astype(np.float32), "digit": digit.astype(np.int64)})


def pixel_names() -> list[str]:
    """Names pixel_r_c of all pixels, row r and column c from the top left, in the order of the images' columns."""
    return [f"pixel_{row}_{column}" for row in range(SIDE) for column in range(SIDE)]


def discriminants(images: NDArray[np.floating], data: Data) -> NDArray[np.float64]:
    """The nine linear discriminants (n, 9) of images (n, 64): what tells the digits of `data` apart.

    They are fitted on all real images, after principal components (Belhumeur et al. 1997, "Fisherfaces"): pixels that
    are hardly ever lit would weigh most otherwise. Within a class of real images their covariance is the identity, so
    that a distance of 1 is a standard deviation of handwriting.
    """
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline

    fitted = make_pipeline(PCA(COMPONENTS, svd_solver="full"), LinearDiscriminantAnalysis())
    fitted.fit(data.arrays["images"].astype(np.float64), data.arrays["digit"])
    return np.asarray(fitted.transform(images), np.float64)


def check_images(images: NDArray[np.floating]) -> None:
    """Raise DataError unless these are images (N, 64)."""
    if images.ndim != 2 or images.shape[1] != PIXELS:
        raise DataError(f"images have shape {images.shape}; (N, {PIXELS}) is needed, {SIDE}×{SIDE} pixels row by row")
