"""Prefect automations that `make deploy` creates: one for runs that fall silent, one that tells of runs that failed.

Each has a name of its own, and is replaced where it is there already. A server remembers when it expects the next
heartbeat of a run; after it was down it would take its own silence for the run's, and crash a run that lives on another
host. So what it remembers is forgotten before it starts (`forget_heartbeats`).
"""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import UUID

from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import AutomationCore

SILENT, TOLD = "sweep-to-surrogate: runs that fall silent", "sweep-to-surrogate: notify"
SILENCE = timedelta(minutes=5)
"""Without a heartbeat for so long, a run is taken for dead; heartbeats come every 30 seconds."""
HEARTBEAT = "prefect.flow-run.heartbeat"
DRIFTED = "Drifted"
"""The name of the failed state of a check that found drift (`flows.drift`)."""
BLOCK = "sweep-to-surrogate-notify"
OFF = "off"
"""In the place of a URL: no notifications any more."""
PAYLOAD = """{
  "text": {{ ("Run " ~ flow_run.name ~ " of " ~ deployment.name ~ ": " ~ flow_run.state.name ~ ". "
              ~ (flow_run.state.message or "")) | tojson }},
  "deployment": {{ deployment.name | tojson }},
  "run": {{ flow_run.name | tojson }},
  "state": {{ flow_run.state.name | tojson }},
  "message": {{ (flow_run.state.message or "") | tojson }},
  "url": {{ (flow_run | ui_url or "") | tojson }}
}"""
"""What is posted, as JSON: `text` is what chat services show."""


def silent_runs(silence: timedelta = SILENCE) -> "AutomationCore":
    """Crash a run that sent a heartbeat, and for so long nothing after it: no heartbeat, and no change of state.

    Prefect looks once in each such time, so that it takes twice as long at most.
    """
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

    return AutomationCore(
        name=SILENT,
        description="Runs whose machine is gone hold no slot, and are reported.",
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={"prefect.flow-run.*"},  # states have names of their own: NotPromoted
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=silence,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=f"No heartbeat for {silence}.")],
    )


def failed_runs(deployments: Iterable[UUID], block: UUID) -> "AutomationCore":
    """Post to a webhook when a run of one of the deployments has failed or crashed. block: the webhook."""
    from prefect.events.actions import CallWebhook
    from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

    of_these = [f"prefect.deployment.{deployment}" for deployment in deployments]
    return AutomationCore(
        name=TOLD,
        description="Tells of runs that failed.",
        trigger=EventTrigger(
            expect={f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", DRIFTED)},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={"prefect.resource.role": "deployment", "prefect.resource.id": of_these},
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[CallWebhook(block_document_id=block, payload=PAYLOAD)],
    )


def check_url(url: str) -> str:
    """A webhook's URL, or OFF, as it is; ConfigurationError unless it is http or https with a host."""
    parts = urlsplit(url)
    if url != OFF and not (parts.scheme in ("http", "https") and parts.hostname):
        scheme = f"{parts.scheme}://…" if parts.scheme else "no http:// at all"  # the rest may be a secret
        raise ConfigurationError(
            f"notify = {scheme}: the webhook's URL has to begin with http:// or https:// and name a host; or: {OFF}"
        )
    return url


def notify(client: "SyncPrefectClient", url: str) -> None:
    """Have failures of all deployments posted to a URL; OFF: no more. Stages' runs are left out: their run fails, too.

    The URL is kept as a secret, in a Prefect block, by the server that PREFECT_API_URL names.
    """
    if check_url(url) == OFF:
        remove(client, TOLD)
        return
    flows = {flow.id: flow.name for flow in client.read_flows()}
    told = [d.id for d in client.read_deployments() if flows[d.flow_id] != "stage"]
    ensure(client, failed_runs(told, _webhook(url)))


def _webhook(url: str) -> UUID:
    """The block with the webhook's URL, written anew."""
    from prefect.blocks.webhook import Webhook
    from pydantic import SecretStr

    headers = {"Content-Type": "application/json"}
    webhook = Webhook.model_validate({"method": "POST", "url": SecretStr(url), "headers": headers})
    Webhook.register_type_and_schema()
    return UUID(str(webhook.save(BLOCK, overwrite=True)))


def ensure(client: "SyncPrefectClient", automation: "AutomationCore") -> None:
    """Create an automation, in the place of those of its name."""
    remove(client, automation.name)
    client.create_automation(automation)


def remove(client: "SyncPrefectClient", name: str) -> None:
    """Delete the automations of a name."""
    for found in client.read_automations_by_name(name):
        client.delete_automation(found.id)


def forget_heartbeats() -> None:
    """Forget, in the database of a server that is not running, which runs are expected to send a heartbeat when."""
    asyncio.run(_forget())


async def _forget() -> None:
    import sqlalchemy as sa
    from prefect.server.database import provide_database_interface

    db = provide_database_interface()
    async with (await db.engine()).connect() as connection:
        if not await connection.run_sync(lambda known: sa.inspect(known).has_table("automation_bucket")):
            return  # the server was never there
    async with db.session_context(begin_transaction=True) as session:
        silent = sa.select(db.Automation.id).where(db.Automation.name == SILENT)
        await session.execute(sa.delete(db.AutomationBucket).where(db.AutomationBucket.automation_id.in_(silent)))
