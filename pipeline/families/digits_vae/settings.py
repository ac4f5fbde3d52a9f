"""Settings of a β-VAE on digits."""

from pydantic import Field

from pipeline.settings import Count, Section, Steps, Units


class VAESettings(Section):
    """Sizes and training of one variational autoencoder.

    latent: dimensions of the code z. width: units of both hidden layers, in the encoder and in the decoder. faint:
    pixels whose deviation over all images is below this fraction of the largest one are set to their mean instead of
    being learnt: noise in blank margins would keep the surrogate from measuring all pixels on one scale. iterations:
    number of batches that a network is trained on.
    """

    latent: Units = 4
    width: Units = 256
    faint: float = Field(default=0.25, ge=0, lt=1)
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    batch_size: Count = 128
    iterations: Steps = 3000
