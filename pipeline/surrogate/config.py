"""The settings of a surrogate: one flat section that combines those of its parts. Imports no torch."""

from typing import Any, Literal, Self

from pydantic import ConfigDict, SerializerFunctionWrapHandler, model_serializer, model_validator

from pipeline.clocks.config import ClockConfig
from pipeline.transport.config import LagrangianConfig, PairedConfig, SemidualConfig, Solver


class SurrogateConfig(LagrangianConfig, ClockConfig, PairedConfig, SemidualConfig):
    """Settings of the surrogate; each package reads its own part.

    Lengths are in units of the standardised outputs and conditions.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    solver: Solver = "paired"
    # The speed along a path: uniform, so that timing is the clock's alone, or that of the least action, which is slow
    # where samples are dense. auto: uniform.
    speed: Literal["auto", "uniform", "action"] = "auto"
    # How `sample` interpolates under K_I: straight lines between the ends, or PCHIP through all anchors in the clock's
    # coordinate. auto: chosen by leaving anchors out, from four anchors on, where the variant is auto, too; else lines.
    interpolation: Literal["auto", "linear", "pchip"] = "auto"

    # With several hyperparameters: their names in the order in which draws are coupled and geodesics nested. auto: as
    # the harvest has them, or by left-out anchors where two hyperparameters have interior values.
    order: Literal["auto"] | tuple[str, ...] = "auto"
    # With several hyperparameters: the names of those along which paths are straight, whatever the variant. auto, where
    # the variant is auto, too: those on whose lines straight ones predict left-out values as well as the best, and
    # those that have no value to leave out; none where the variant is named.
    straight: Literal["auto"] | tuple[str, ...] = "auto"

    @property
    def straight_names(self) -> tuple[str, ...]:
        """The hyperparameters along which paths are straight whatever the variant."""
        return () if self.straight == "auto" else self.straight

    @model_serializer(mode="wrap")
    def _one_hyperparameter_as_ever(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `straight` where nobody has set it: files and digests of one λ stay what they were."""
        document: dict[str, Any] = handler(self)
        if self.straight == "auto":
            del document["straight"]
        return document

    @model_validator(mode="after")
    def _pchip_is_for_straight_variants(self) -> Self:
        if self.interpolation == "pchip" and self.variant not in ("auto", "K_I"):
            raise ValueError(f"interpolation = 'pchip' with variant = {self.variant!r}: use variant K_I, or auto")
        return self
