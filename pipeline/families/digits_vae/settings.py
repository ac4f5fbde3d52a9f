"""Settings of a β-VAE on digits."""

from pydantic import BaseModel, ConfigDict, Field


class VAESettings(BaseModel):
    """Sizes and training of one variational autoencoder.

    latent: dimensions of the code z. width: units of both hidden layers, in the encoder and in the decoder. faint:
    pixels whose deviation over all images is below this fraction of the largest one are set to their mean instead of
    being learnt: noise in blank margins would keep the surrogate from measuring all pixels on one scale. iterations:
    number of batches that a network is trained on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latent: int = Field(default=4, ge=1)
    width: int = Field(default=256, ge=1)
    faint: float = Field(default=0.25, ge=0, lt=1)
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    batch_size: int = Field(default=128, ge=1)
    iterations: int = Field(default=3000, ge=1)
