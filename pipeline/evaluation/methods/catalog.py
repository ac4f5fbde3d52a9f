"""All methods, found in this folder."""

from pipeline.errors import ConfigurationError
from pipeline.evaluation import methods
from pipeline.evaluation.methods.method import ROLES, Method
from pipeline.evaluation.modules import registered


def all_methods() -> tuple[Method, ...]:
    """Every method: by role, and by the names of their modules within a role."""
    found = sorted(registered(methods, "METHOD", Method), key=lambda method: ROLES.index(method.role))
    names = [method.name for method in found]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"methods {repeated} are registered twice; every method needs its own name")
    return tuple(found)


def baselines() -> tuple[Method, ...]:
    """The baselines that a surrogate is judged against."""
    return tuple(method for method in all_methods() if method.role == "baseline")


def by_name() -> dict[str, Method]:
    """Every method by its name."""
    return {method.name: method for method in all_methods()}
