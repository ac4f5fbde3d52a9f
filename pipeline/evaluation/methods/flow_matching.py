"""Optimal transport flow matching across λ: straight interpolants between coupled samples of neighbouring anchors.

Lipman et al., "Flow Matching for Generative Modeling", ICLR 2023; Tong et al., "Improving and generalizing flow-based
generative models with minibatch optimal transport", TMLR 2024. The field is learnt for all λ at once: see
`pipeline.evaluation.methods.flows_across`.
"""

from pipeline.evaluation.methods.flows_across import TRAINING, Flow, Moves, applies, fit_field, flow_of, straight
from pipeline.evaluation.methods.method import Fitting, Method


def _fit(fitting: Fitting) -> Flow | None:
    if not applies(fitting):
        return None
    moves = Moves.of(fitting)
    return flow_of(fitting, moves, fit_field(moves, straight, fitting.seed, TRAINING))


METHOD = Method(
    name="flow_matching",
    label="OT flow matching",
    role="baseline",
    colour="#8C564B",
    marker="<",
    fit=_fit,
    cost="dear",
)
