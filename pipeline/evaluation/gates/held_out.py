"""At least one hyperparameter value has to be held out."""

from pipeline.evaluation.gates.gate import Gate
from pipeline.evaluation.scores import Evaluation


def _check(evaluation: Evaluation) -> tuple[bool, str] | None:
    if evaluation.hyperparameters:
        return None
    return False, "there is no held-out hyperparameter value to judge the surrogate by"


GATE = Gate("held-out values", _check)
