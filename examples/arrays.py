"""From arrays to samples at every λ: a Gaussian whose mean moves and whose spread grows with λ.

Run it by ``python -m examples.arrays``.
"""

import sys

import numpy as np
from numpy.typing import NDArray

from pipeline import Harvest, Surrogate, SurrogateConfig


def harvest(anchors: tuple[float, ...] = (0.0, 0.5, 1.0), seed: int = 0) -> Harvest:
    """Forty draws y ~ N(x + 2 λ, (0.5 + λ)²) of each of six conditions x, at every anchor."""
    rng = np.random.default_rng(seed)
    x = np.repeat(np.linspace(-1, 1, 6), 40)[:, None]
    outputs = [x + 2 * value + (0.5 + value) * rng.normal(size=x.shape) for value in anchors]
    return Harvest.from_arrays(
        anchors,
        outputs,
        [x] * len(anchors),
        names={"hyperparameter": "shift", "outputs": ["y"], "conditions": ["x"]},
        deterministic=False,
    )


def moved(surrogate: Surrogate, source: Harvest, target: float) -> NDArray[np.floating]:
    """The samples of the first anchor, moved to λ = target."""
    return surrogate.transport(source.outputs[0], source.conditions[0], float(source.hyperparameter[0]), target)


def main() -> None:
    """Fit, move, print the mean and the spread beside the true ones."""
    source = harvest()
    # Straight paths and a linear clock fit in a second; leave both out, and the harvest decides.
    surrogate = Surrogate.fit(source, SurrogateConfig(variant="K_I", clock="linear", map_steps=400))
    for target in (0.25, 0.75):
        residual = moved(surrogate, source, target) - source.conditions[0]
        sys.stdout.write(
            f"λ = {target}: mean {residual.mean():.2f} (true {2 * target:.2f}), "
            f"spread {residual.std():.2f} (true {0.5 + target:.2f})\n"
        )


if __name__ == "__main__":
    main()
