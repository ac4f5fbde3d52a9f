"""Settings of Prefect and its neighbours that must stand before they are imported."""

import os
from pathlib import Path

STATE = Path(".prefect")
"""Everything that Prefect keeps, in the checkout."""


def settle(root: Path) -> None:
    """Keep Prefect's state in the checkout, and every tool quiet about its use; what is set already stays.

    Without PREFECT_API_URL a flow starts a server of its own for the time that it runs. Its database is created on the
    first run, which on a slow disk takes longer than Prefect's own patience.
    """
    defaults = {
        "PREFECT_HOME": str((root / STATE).resolve()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
        "PREFECT_CLI_PROMPT": "false",
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
