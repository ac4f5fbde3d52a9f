"""An MLflow tracking store with its registry: where it is, and a client of it.

The default store belongs to the checkout: an SQLite file and an artifact folder beside it. A server takes their place
where MLFLOW_TRACKING_URI is set. Nothing here touches MLflow's global state (its tracking URI, its active run), so that
several stores can be used by one process.
"""

import os
import re
import socket
import sqlite3
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import urlsplit

from pipeline.errors import RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient

URI_VARIABLE = "MLFLOW_TRACKING_URI"
ARTIFACTS_VARIABLE = "MLFLOW_DEFAULT_ARTIFACT_ROOT"
SQLITE = "sqlite:///"
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}
"""Unless these are set before it is imported, MLflow sends telemetry, shows progress bars for copied files, and retries
a server that does not answer for four minutes."""


SECONDS = 5.0
"""How long a server, or a database's host, may take to answer."""
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


@dataclass(frozen=True)
class Store:
    """An MLflow tracking store with its registry.

    uri: MLflow's tracking URI. artifacts: URI of the folder that new experiments keep their artifacts in; None where
    the store (a server) decides. root: the checkout whose git revision runs record.
    """

    uri: str
    artifacts: str | None
    root: Path

    def client(self) -> "MlflowClient":
        """A client of this store, whose database it creates where there is none; RegistryError where it cannot."""
        for variable, value in QUIET.items():
            os.environ.setdefault(variable, value)
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            if self.uri.startswith(SQLITE):
                _check_database(self.uri.removeprefix(SQLITE).partition("?")[0])
            client = MlflowClient(tracking_uri=self.uri)
            client.search_registered_models(max_results=1)  # a server is not asked before
        except (MlflowException, SQLAlchemyError, sqlite3.Error) as error:
            raise RegistryError(
                f"{_shown(self.uri)} cannot be opened as an MLflow store ({' '.join(str(error).split())}); check the "
                f"store or {URI_VARIABLE}; where that is unset, the checkout's own mlflow.db is used"
            ) from error
        return client


def check_reachable(store: Store) -> None:
    """Raise RegistryError, within seconds, where a store cannot be reached: what a run would find out at its end.

    A server has to answer `/health`, a database's host to take a connection; an SQLite file that exists has to be a
    database that can be written.
    """
    try:
        if store.uri.startswith(SQLITE):
            path = store.uri.removeprefix(SQLITE).partition("?")[0]
            if Path(path).exists():
                _check_database(path)
            return
        parts = urlsplit(store.uri)
        port = parts.port or PORTS.get(parts.scheme.split("+")[0], 0)  # ValueError for one that is no number
        if parts.scheme in ("http", "https"):
            _check_server(store.uri)
        elif parts.hostname is not None:
            socket.create_connection((parts.hostname, port), SECONDS).close()
    except (OSError, ValueError, sqlite3.Error) as error:
        raise RegistryError(
            f"the MLflow store {_shown(store.uri)} cannot be reached ({error}), and nothing could be registered in the "
            f"end; start it, or unset {URI_VARIABLE} to use the checkout's own mlflow.db"
        ) from error


def _shown(uri: str) -> str:
    """A URI without the name and password in it."""
    return re.sub(r"//[^/@]*@", "//", uri)


def _check_server(uri: str) -> None:
    try:
        urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=SECONDS).close()  # http or https
    except HTTPError as error:
        if error.code >= 500:  # any other answer, such as a demand for a password, is one
            raise


def _check_database(path: str) -> None:
    """Raise sqlite3.Error where the file is not a database, or cannot be written; MLflow would retry for minutes."""
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        (number,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {number}")  # a write that changes nothing, and is taken back
        connection.rollback()


def open_store(root: Path = Path()) -> Store:
    """The store that MLFLOW_TRACKING_URI names, else <root>/mlflow.db.

    Artifacts of new experiments go where MLFLOW_DEFAULT_ARTIFACT_ROOT says; else where a server says, or to
    <root>/mlartifacts for a database. MLflow writes absolute artifact paths into the database, so that `models:/…`
    loads from any folder. After a checkout was moved, earlier versions are no longer found (`find_version` returns
    None; registering again repairs it), and new runs go to the new place.
    """
    root = root.resolve()
    uri = os.environ.get(URI_VARIABLE) or f"{SQLITE}{root / 'mlflow.db'}"
    is_server = urlsplit(uri).scheme in ("http", "https")
    own = None if is_server else (root / "mlartifacts").as_uri()
    return Store(uri, os.environ.get(ARTIFACTS_VARIABLE) or own, root)
