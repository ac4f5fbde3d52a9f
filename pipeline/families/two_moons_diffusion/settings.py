"""Settings of a two-moons diffusion model."""

from typing import Annotated

from pydantic import Field

from pipeline.settings import Count, Section, Steps, Units

CATEGORIES = 2
"""The moons: 0 is the upper one, 1 the lower one."""


class DiffusionSettings(Section):
    """Sizes and training of one diffusion model, and the moons that it is trained on.

    points, noise: number of data points, and the deviation of their noise before they are standardised. steps: length
    of the chain. first_variance, last_variance: ends of the noise's linear schedule. width: units of both hidden
    layers. embedding: width of the embeddings of time (even: sines and cosines) and of the category. iterations:
    number of batches that a network is trained on.
    """

    points: Annotated[Count, Field(ge=4)] = 10_000
    noise: float = Field(default=0.05, ge=0)
    steps: Annotated[Steps, Field(ge=2)] = 100
    first_variance: float = Field(default=1e-4, gt=0, lt=1)
    last_variance: float = Field(default=0.02, gt=0, lt=1)
    width: Units = 256
    embedding: Annotated[Units, Field(ge=2, multiple_of=2)] = 16
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    batch_size: Count = 256
    iterations: Steps = 4000
