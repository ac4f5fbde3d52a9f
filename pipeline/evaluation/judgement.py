"""All that a validation found: what the report shows and what metrics.json keeps."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.data.harvest import Harvest
from pipeline.evaluation.compared import Compared
from pipeline.evaluation.decision import Decision
from pipeline.evaluation.methods.catalog import all_methods
from pipeline.evaluation.methods.method import Method
from pipeline.evaluation.scores import Evaluation
from pipeline.evaluation.task_table import TaskTable

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate
    from pipeline.surrogate.barriers import Barrier


@dataclass(frozen=True)
class Facts:
    """What was validated.

    digests: SHA-256 by name (surrogate, fit, score). rows: of the two harvests by name. compared: what the fit chose
    variant and clock from. barriers: what mixtures score in every interval; () where that was not looked for.
    """

    name: str
    hyperparameter: str
    anchors: tuple[float, ...]
    clock: str
    variant: str
    solver: str
    deterministic: bool
    digests: dict[str, str]
    rows: dict[str, int]
    compared: Compared
    barriers: "tuple[Barrier, ...]" = ()

    @classmethod
    def of(cls, name: str, surrogate: "Surrogate", fit: Harvest, score: Harvest) -> "Facts":
        """Collect them from the surrogate and the two harvests."""
        return cls(
            name=name,
            hyperparameter=surrogate.schema.hyperparameter.name,
            anchors=surrogate.anchors,
            clock=surrogate.clock,
            variant=surrogate.config.variant,
            solver=surrogate.config.solver,
            deterministic=surrogate.deterministic,
            digests={"surrogate": surrogate.digest, "fit": fit.digest, "score": score.digest},
            rows={"fit": sum(map(len, fit.outputs)), "score": sum(map(len, score.outputs))},
            compared=Compared.of(surrogate),
            barriers=surrogate.barriers or (),
        )


@dataclass(frozen=True)
class Judgement:
    """The scores, what the gates decided, what was validated, and the family's own tables where it has any."""

    evaluation: Evaluation
    decision: Decision
    facts: Facts
    task: tuple[TaskTable, ...] = ()

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods in any of the tables, in their order."""
        names = {name for table in self.task for name in table.methods}
        names |= {score.method for score in (*self.evaluation.held_out, *self.evaluation.anchors)}
        return tuple(method for method in all_methods() if method.name in names)
