"""The check for drift as a flow: the champion on fresh samples, published as an artifact.

A run that finds drift has failed, in a state that is called Drifted, so that notifications tell of it.
"""

from pathlib import Path

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from flows.report.drift_table import as_markdown
from flows.report.terminal import PROGRESS
from flows.server.automations import DRIFTED
from flows.server.zombies import record_process
from pipeline.evaluation.drift import THRESHOLD, Drift
from pipeline.stages.params import PARAMS, load_config
from pipeline.storage.lease import run_lease


@flow(name="drift", on_running=[record_process])
def drift(threshold: float = THRESHOLD, seed: int | None = None) -> State[Drift]:
    """Compare the champion's errors on fresh samples with the registered ones, in the root of the checkout.

    threshold: how many times the registered error is drift. seed: of the fresh conditions; None: another one every day.
    """
    from pipeline.stages.drift import run

    root = Path.cwd()
    with run_lease(root, f"flow run {flow_run.name}", say=_say):
        found = run(load_config(root / PARAMS), root, threshold, seed)
    create_markdown_artifact(markdown=as_markdown(found), key="drift", description="The champion on fresh samples")
    if found.drifted:
        return Failed(name=DRIFTED, message=found.verdict, data=found)
    return Completed(message=found.verdict, data=found)


def _say(line: str) -> None:
    get_run_logger().info(line, extra=PROGRESS)
