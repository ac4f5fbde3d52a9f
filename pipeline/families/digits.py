"""scikit-learn's digits: 1,797 grey images of 8×8 pixels by 13 writers (UCI, 1998).

Shared by both families on digits. scikit-learn is imported only where the images are read.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.families.protocol import Data

SIDE = 8
PIXELS = SIDE * SIDE
CLASSES = 10
COMPONENTS = 40
BRIGHTEST = 16.0
"""The largest grey value in the files; images are divided by it."""


def load_images() -> Data:
    """Images (1797, 64) float32 in [0, 1], row by row from the top left, and classes (1797,) int64, 0 … 9."""
    from sklearn.datasets import load_digits

    pixels, digit = load_digits(return_X_y=True)
    return Data({"images": (pixels / BRIGHTEST).astype(np.float32), "digit": digit.astype(np.int64)})


def pixel_names() -> list[str]:
    """Names pixel_r_c of all pixels, row r and column c from the top left, in the order of the images' columns."""
    return [f"pixel_{row}_{column}" for row in range(SIDE) for column in range(SIDE)]


def discriminants(images: NDArray[np.floating], data: Data) -> NDArray[np.float64]:
    """The nine linear discriminants (n, 9) of images (n, 64), which separate the digits of `data`.

    They are fitted on all real images, after principal components (Belhumeur et al. 1997, "Fisherfaces"): otherwise
    pixels that are hardly ever lit would have the largest weights. Within a class of real images their covariance is
    the identity, so that a distance of 1 is a standard deviation of handwriting.
    """
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline

    fitted = make_pipeline(PCA(COMPONENTS, svd_solver="full"), LinearDiscriminantAnalysis())
    fitted.fit(data.arrays["images"].astype(np.float64), data.arrays["digit"])
    return np.asarray(fitted.transform(images), np.float64)
