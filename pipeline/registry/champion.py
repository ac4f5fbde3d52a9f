"""The aliases `champion` and `challenger` of a registered model, and the champion's history.

The history is a tag of the registered model: the versions that were champion, oldest first, the present one last. The
alias is authoritative: where it points at a version that is not the last of the history (somebody set it by hand, or a
process died between the two writes), that version counts as the latest champion.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALIAS = "champion"
CHALLENGER = "challenger"
"""The latest version that passed the gates and lost to the champion."""
HISTORY = "champions"
ROLLED_BACK = "rolled_back"


@dataclass(frozen=True)
class Rollback:
    """The former champion, and the version that is champion now."""

    model: str
    former: int
    version: int


def settled(write: Callable[[], object]) -> None:
    """Set a tag or an alias by `write`; once more where that fails.

    MLflow looks for the row and then inserts it, so of two processes that set the same tag at the same moment the later
    fails. Repeated, its write finds the row. An error of another kind is raised by the second call.
    """
    from mlflow.exceptions import MlflowException

    try:
        write()
    except MlflowException:
        write()


def champion_version(client: "MlflowClient", model: str) -> int | None:
    """The version that the alias points at; None where there is no such model or no champion."""
    return alias_version(client, model, ALIAS)


def alias_version(client: "MlflowClient", model: str, alias: str) -> int | None:
    """The version that an alias points at; None where there is no such model or alias."""
    from mlflow.exceptions import MlflowException

    try:
        aliases = client.get_registered_model(model).aliases
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return int(aliases[alias]) if alias in aliases else None


def promote(client: "MlflowClient", model: str, version: int) -> None:
    """Make `version` the champion; promoting the champion again changes nothing."""
    present = champion_version(client, model)
    if present == version:
        return
    settled(lambda: client.set_registered_model_alias(model, ALIAS, str(version)))
    history = _history(client, model)
    if present is not None and history[-1:] != [present]:
        history.append(present)
    _write_history(client, model, [*history, version])


def rollback(client: "MlflowClient", model: str) -> Rollback:
    """Move the alias back to the previous champion.

    Called again, it goes back one further, until the first champion is reached; versions that were deleted since are
    skipped. The former champion stays registered and is tagged `rolled_back`, so that registering it once more does
    not promote it again. Raises RegistryError where there is no champion, or none before it.
    """
    present = champion_version(client, model)
    versions = sorted(int(v.version) for v in client.search_model_versions(f"name = '{model}'"))
    if present is None:
        raise RegistryError(
            f"model {model!r} has no champion to roll back (its versions: {versions or 'none'}); register a surrogate "
            "that passes its gates, or set the alias with MLflow"
        )
    history = _history(client, model)
    while history and (history[-1] == present or history[-1] not in versions):
        history.pop()
    if not history:
        raise RegistryError(
            f"model {model!r} has no champion before version {present} (its versions: {versions}); to choose one by "
            f"hand: MlflowClient().set_registered_model_alias({model!r}, {ALIAS!r}, <version>)"
        )
    client.set_model_version_tag(model, str(present), ROLLED_BACK, "true")
    _write_history(client, model, history)
    client.delete_model_version_tag(model, str(history[-1]), ROLLED_BACK)
    client.set_registered_model_alias(model, ALIAS, str(history[-1]))
    return Rollback(model, present, history[-1])


def _history(client: "MlflowClient", model: str) -> list[int]:
    tag = client.get_registered_model(model).tags.get(HISTORY, "")
    return [int(version) for version in tag.split(",") if version]


def _write_history(client: "MlflowClient", model: str, history: list[int]) -> None:
    settled(lambda: client.set_registered_model_tag(model, HISTORY, ",".join(map(str, history))))
