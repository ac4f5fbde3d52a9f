"""Settings of a classifier of digits under adversarial training."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class RobustSettings(BaseModel):
    """Sizes and training of one classifier.

    hidden: units of its hidden layers. attack_steps: steps of the attack on every batch; 1 is the fast gradient sign
    method. weight_decay: of Adam (a penalty on squared weights). iterations: number of training batches.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(128, 128), min_length=1)
    attack_steps: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    weight_decay: float = Field(default=1e-3, ge=0, allow_inf_nan=False)
    batch_size: int = Field(default=128, ge=1)
    iterations: int = Field(default=1500, ge=1)
