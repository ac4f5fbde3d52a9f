"""All gates, found in this folder, and the decision that they make together."""

from pipeline.evaluation import gates
from pipeline.evaluation.decision import Decision, Verdict
from pipeline.evaluation.gates.gate import Gate
from pipeline.evaluation.modules import registered
from pipeline.evaluation.scores import Evaluation


def all_gates() -> tuple[Gate, ...]:
    """Every gate, in the order of their modules' names."""
    return tuple(registered(gates, "GATE", Gate))


def decide(evaluation: Evaluation) -> Decision:
    """Promote where every gate passes; the reason gives all verdicts, or those of the gates that do not pass."""
    found = [(gate.name, gate.check(evaluation)) for gate in all_gates()]
    verdicts = tuple(Verdict(name, *checked) for name, checked in found if checked is not None)
    failed = [verdict.sentence for verdict in verdicts if not verdict.passed]
    sentences = "; ".join(failed or [verdict.sentence for verdict in verdicts])
    return Decision(not failed, f"{'Not promoted' if failed else 'Promoted'}: {sentences}.", verdicts)
