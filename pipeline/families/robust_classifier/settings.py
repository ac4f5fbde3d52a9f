"""Settings of a classifier of digits under adversarial training."""

from pydantic import Field

from pipeline.settings import Count, Section, Steps, Widths


class RobustSettings(Section):
    """Sizes and training of one classifier.

    hidden: units of its hidden layers. attack_steps: steps of the attack on every batch; 1 is the fast gradient sign
    method. weight_decay: of Adam (a penalty on squared weights). iterations: number of training batches.
    """

    hidden: Widths = (128, 128)
    attack_steps: Steps = 3
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    weight_decay: float = Field(default=1e-3, ge=0)
    batch_size: Count = 128
    iterations: Steps = 1500
