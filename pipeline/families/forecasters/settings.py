"""Settings of a quantile forecaster."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ForecasterSettings(BaseModel):
    """Sizes and training of one forecaster.

    history, horizon: rows in and out. hidden: widths of the hidden layers. patience: epochs without a better validation
    loss after which training stops; the best epoch's weights are kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    history: int = Field(default=12, ge=1)
    horizon: int = Field(default=3, ge=1)
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = (256, 128)
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    batch_size: int = Field(default=256, ge=1)
    max_epochs: int = Field(default=60, ge=1)
    patience: int = Field(default=8, ge=1)

    @property
    def window(self) -> int:
        """Rows of one window: history, then horizon."""
        return self.history + self.horizon
