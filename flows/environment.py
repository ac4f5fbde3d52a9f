"""Environment variables of Prefect, DVC and MLflow that must be set before these are imported."""

import os
from pathlib import Path

STATE = Path(".prefect")
"""Everything that Prefect keeps, in the checkout."""
CHECKOUT = "SWEEP_CHECKOUT"
"""Environment variable that tells a worker where its checkout is: the pull step of prefect.yaml goes there."""


def settle(root: Path) -> None:
    """Keep Prefect's state in the checkout, and turn usage statistics off; variables that are already set are kept.

    Without PREFECT_API_URL a flow starts its own server while it runs. The server's database is created on the first
    run, which on a slow disk takes longer than Prefect's default timeout.
    """
    defaults = {
        "PREFECT_HOME": str((root / STATE).resolve()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
        "PREFECT_CLI_PROMPT": "false",
        # Leases of concurrency slots outlive the server, and end minutes after a run that no longer renews them.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
