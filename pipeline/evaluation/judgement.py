"""All that a validation found: what the report shows and what metrics.json keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.values import value_of
from pipeline.evaluation.certificate import certify
from pipeline.evaluation.clusters import Clustered
from pipeline.evaluation.compared import Compared
from pipeline.evaluation.decision import Decision
from pipeline.evaluation.findings import Cost
from pipeline.evaluation.gates.catalog import decide
from pipeline.evaluation.gates.config import DEFAULT_GATES, GateSection
from pipeline.evaluation.gates.metric import tested
from pipeline.evaluation.methods.catalog import all_methods
from pipeline.evaluation.methods.method import Method
from pipeline.evaluation.next_value import NextValue
from pipeline.evaluation.recommendation import Recommendation, recommend
from pipeline.evaluation.scores import Evaluation
from pipeline.evaluation.standings import Standing, standings
from pipeline.evaluation.task_table import TaskTable
from pipeline.evaluation.trust import Trust
from pipeline.surrogate.order import shown_conditions
from pipeline.surrogate.regions import Region

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate
    from pipeline.surrogate.barriers import Barrier


@dataclass(frozen=True)
class Facts:
    """What was validated.

    hyperparameter: the name; of several, their names, comma-separated. anchors: numbers, or tuples of P numbers. clock:
    the label; clocks: of every hyperparameter's clock, by its name. digests: SHA-256 by name (surrogate, fit, score).
    rows: of the two harvests by name. compared: what the fit chose variant and clock from. barriers: what mixtures
    score in every interval; () where that was not looked for. names: of the hyperparameters. order: of several, in
    which draws are coupled and paths nested, else (); order_effect: how far answers depend on it, as
    `Surrogate.order_effect` at conditions of the fit, else None. training: how the anchors' networks were chosen among
    several trainings, "" where there is one of each.
    """

    name: str
    hyperparameter: str
    anchors: tuple[Value, ...]
    clock: str
    variant: str
    solver: str
    deterministic: bool
    digests: dict[str, str]
    rows: dict[str, int]
    compared: Compared
    barriers: "tuple[Barrier, ...]" = ()
    names: tuple[str, ...] = ()
    clocks: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    order_effect: float | None = None
    training: str = ""

    @classmethod
    def of(cls, name: str, surrogate: "Surrogate", fit: Harvest, score: Harvest, training: str = "") -> "Facts":
        """Collect them from the surrogate, the two harvests, and what chose the training of the anchors."""
        names = tuple(column.name for column in surrogate.schema.hyperparameters)
        several = len(names) > 1
        return cls(
            name=name,
            hyperparameter=", ".join(names),
            anchors=tuple(map(value_of, surrogate.mesh.vertices)),
            clock=surrogate.clock,
            variant=surrogate.config.variant,
            solver=surrogate.config.solver,
            deterministic=surrogate.deterministic,
            digests={"surrogate": surrogate.digest, "fit": fit.digest, "score": score.digest},
            rows={"fit": sum(map(len, fit.outputs)), "score": sum(map(len, score.outputs))},
            compared=Compared.of(surrogate),
            barriers=surrogate.barriers or (),
            names=names,
            clocks=surrogate.clocks,
            order=tuple(surrogate.config.order) if several else (),
            order_effect=surrogate.order_effect(shown_conditions(fit)) if several else None,
            training=training,
        )


@dataclass(frozen=True)
class Judgement:
    """The scores, what the gates decided, what was validated, and the family's own tables where it has any.

    costs: of the methods that were timed. trust: the surrogate's uncertainty, where there is one. bundle_bytes: the
    size of the surrogate's folder on disk, where it has one. next_value: the λ to train next, where one can be named.
    clustered: the clusters of conditions that are judged apart.
    """

    evaluation: Evaluation
    decision: Decision
    facts: Facts
    task: tuple[TaskTable, ...] = ()
    costs: tuple[Cost, ...] = ()
    trust: Trust | None = None
    bundle_bytes: int | None = None
    next_value: NextValue | None = None
    clustered: Clustered = field(default_factory=Clustered)

    def decided(self, gates: Sequence[GateSection] = DEFAULT_GATES) -> "Judgement":
        """The same with the decision of a list of gates."""
        return replace(self, decision=decide(gates, self))

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """Where along λ the surrogate can be trusted; () with several hyperparameters."""
        return certify(self)

    @cached_property
    def recommendation(self) -> Recommendation | None:
        """What the tested λ recommend; None where there are none."""
        return recommend(tested(self))

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """Every method's mean and worst error, and which differences are real."""
        return standings(self.evaluation, self.costs)

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods in any of the tables, in their order."""
        names = {name for table in self.task for name in table.methods}
        names |= {score.method for score in (*self.evaluation.held_out, *self.evaluation.anchors)}
        return tuple(method for method in all_methods() if method.name in names)
