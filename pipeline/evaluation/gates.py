"""The promotion gate: champion only where the surrogate beats every plain baseline in the mean over the held-out λ."""

from pipeline.evaluation.decision import Decision
from pipeline.evaluation.evaluate import BASELINES, LABELS, SURROGATE, Evaluation


def decide(evaluation: Evaluation) -> Decision:
    """Promote where the surrogate's mean error lies below that of every baseline; equal is not better."""
    held_out = evaluation.hyperparameters
    if not held_out:
        return Decision(False, "Not promoted: there is no held-out hyperparameter value to judge the surrogate by.")
    own = evaluation.mean_error(SURROGATE)
    errors = {method: evaluation.mean_error(method) for method in BASELINES}
    unbeaten = [method for method in BASELINES if not own < errors[method]]
    over = f"over {len(held_out)} held-out value{'s' if len(held_out) > 1 else ''}"
    verdict = f"the surrogate's mean {evaluation.measure} {over} is {own:.4g}"
    listed = "; ".join(f"{LABELS[m]}: {errors[m]:.4g}" for m in (unbeaten or BASELINES))
    if unbeaten:
        return Decision(False, f"Not promoted: {verdict}, which does not beat {listed}.")
    return Decision(True, f"Promoted: {verdict}, below every plain baseline ({listed}).")
