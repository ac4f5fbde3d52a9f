"""What the register stage records, apart from how it registers: the flows read it without importing MLflow."""

from dataclasses import dataclass

FILE = "registration.json"
"""In the sweep's folder."""


@dataclass(frozen=True)
class Registration:
    """Where a surrogate is registered.

    version: of the registered model. uri: what a consumer loads: the champion's alias where this version is champion,
    else the version. digest: of the surrogate's bundle. reason: that of the gates, and what else decides the alias.
    challenger: whether it lost to the champion alone. passed: whether it passed every gate. identity: of the version,
    as `pipeline.registry.package.Candidate` has it.
    """

    model: str
    version: int
    uri: str
    digest: str
    champion: bool
    reason: str
    challenger: bool = False
    passed: bool = True
    identity: str = ""
