"""Parameters of a run of the sweep, which Prefect's user interface shows as a form."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

EngineName = Literal["threads", "dask", "ray"]
"""Where stages run: from the flow's process, or on a cluster."""


def _presets() -> list[str]:
    from pipeline.stages.presets import preset_names  # here: `--help` needs neither NumPy nor Arrow

    return preset_names()


class SweepRun(BaseModel):
    """Which sweep to run, and how. Empty: params.yaml as it is, and only what is out of date."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sweep: str | None = Field(
        default=None,
        description="A preset under sweeps/ to write into params.yaml; empty: leave it unchanged.",
        json_schema_extra=lambda schema: schema.update(enum=[None, *_presets()]),
    )
    harvest: str | None = Field(default=None, description="Folder of a harvest from disk: no networks are trained.")
    held_out: list[float | str] = Field(
        default_factory=list,
        description="With a harvest: values of the hyperparameter to score at, not to fit; with several "
        "hyperparameters as quantile=0.3,noise=0.5.",
    )
    add: list[float | str] = Field(
        default_factory=list,
        description="Values of the hyperparameter to train and take as further anchors, or auto: the one that the last "
        "validation names; with several hyperparameters as quantile=0.3,noise=0.5.",
    )
    force: bool = Field(default=False, description="Run every stage, even where nothing changed.")
    max_parallel: int | None = Field(
        default=None, ge=1, le=1024, description="Stages that run at the same time; empty: one per processor core."
    )
    runner: EngineName = Field(
        default="threads",
        description="Where stages run: from the flow's own machine (threads), or on a cluster of Dask or Ray.",
    )
    cluster: str | None = Field(
        default=None,
        description="Address of a running cluster, as tcp://host:8786 or ray://host:10001; empty: one that starts with "
        "the run, on its machine.",
    )
    wait: bool = Field(
        default=True, description="Queue while another run works in the checkout; otherwise fail at once."
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.sweep and self.harvest:
            raise ValueError(f"sweep = {self.sweep!r} and harvest = {self.harvest!r}: choose one of the two")
        if self.held_out and not self.harvest:
            raise ValueError(
                f"held_out = {self.held_out} belongs to a harvest; set harvest too, or leave held_out empty"
            )
        if self.add and self.harvest:
            raise ValueError(
                f"add = {self.add} with harvest = {self.harvest!r}: nothing is trained there; add the samples of that "
                "value to the harvest, and leave add empty"
            )
        if self.cluster and self.runner == "threads":
            raise ValueError(f"cluster = {self.cluster!r} with runner = 'threads'; say whose it is: dask or ray")
        return self
