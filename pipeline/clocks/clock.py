"""The clock: maps a hyperparameter to its position on the path between two anchors. Its formulas are in `formulas`."""

from collections.abc import Sequence

from torch import nn

from pipeline.clocks.bases import CALIBRATED, check_base
from pipeline.clocks.formulas import Calibration, ClockFormulas
from pipeline.clocks.skew import Skew
from pipeline.errors import ConfigurationError
from pipeline.transport.condition import ConditionShape


class Clock(ClockFormulas, nn.Module):
    """A base, hold or a calibration over ascending anchors, with one skew or a skew that depends on the condition.

    Raises ConfigurationError for a base that is not finite on all anchors, and for the base `calibrated` without a
    calibration. As a module it moves to a device, and is saved, with the parts of a surrogate; frozen (see
    `transport.frozen`) it runs on NumPy arrays.
    """

    skew: Skew

    def __init__(
        self,
        base: str,
        anchors: Sequence[float],
        skew: Skew | float = 0.0,
        calibration: Calibration | None = None,
    ) -> None:
        super().__init__()
        check_base(base, anchors)
        if base == CALIBRATED and calibration is None:
            raise ConfigurationError(
                "clock = 'calibrated' needs outcomes: what came true at conditions that no network was trained on, of "
                "a deterministic sweep over probability levels (see Harvest.from_arrays)"
            )
        self.base = base
        self.calibration = calibration
        self.anchors = tuple(anchors)
        self.skew = skew if isinstance(skew, Skew) else Skew(ConditionShape(0, ()), skew)

    def skewed(self, skew: Skew) -> "Clock":
        """The same clock with another skew."""
        return Clock(self.base, self.anchors, skew, self.calibration)
