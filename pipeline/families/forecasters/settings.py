"""Settings of a quantile forecaster."""

from pydantic import Field

from pipeline.settings import Count, Section, Steps, Units, Widths


class ForecasterSettings(Section):
    """Sizes and training of one forecaster.

    history, horizon: rows in and out. hidden: widths of the hidden layers. patience: epochs without a better validation
    loss after which training stops; the best epoch's weights are kept.
    """

    history: Units = 12
    horizon: Units = 3
    hidden: Widths = (256, 128)
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    batch_size: Count = 256
    max_epochs: Steps = 60
    patience: Steps = 8

    @property
    def window(self) -> int:
        """Rows of one window: history, then horizon."""
        return self.history + self.horizon
