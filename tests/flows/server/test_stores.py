"""Other stores, by environment variables alone: PostgreSQL for Prefect and MLflow, S3 for artifacts and DVC."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from flows.workers.own_clone import Handover, run_in_clone, take_over
from tests.flows.conftest import Checkout
from tests.flows.waiting import free_port
from tests.flows.workers.test_own_clones import git_clone, use_remote

pytestmark = pytest.mark.slow
REGISTERED = """
import mlflow
model = mlflow.pyfunc.load_model("models:/tiny@champion")
print(model.metadata.model_uuid, model.unwrap_python_model() is not None)
"""


def postgres_tool(name: str) -> str | None:
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(debian[-1]) if debian else None)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """host:port of a server with the databases prefect and mlflow; it refuses to run as root."""
    tools = {name: postgres_tool(name) for name in ("initdb", "pg_ctl", "createdb")}
    if None in tools.values():
        pytest.skip("PostgreSQL is not installed")
    port, user = free_port(), {"user": "postgres"} if os.geteuid() == 0 else {}
    with TemporaryDirectory(prefix="postgres-") as folder:  # pytest's own folders are closed to other users
        if user:
            shutil.chown(folder, "postgres")

        def call(name: str, *arguments: str) -> None:
            command = [str(tools[name]), *arguments]
            subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, **user)

        data, options = f"{folder}/data", f"-p {port} -h 127.0.0.1 -k {folder}"
        call("initdb", "-D", data, "-U", "sweep", "--auth", "trust", "--no-sync")
        call("pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            for database in ("prefect", "mlflow"):
                call("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "sweep", database)
            yield f"127.0.0.1:{port}"
        finally:
            call("pg_ctl", "-D", data, "-m", "immediate", "stop")


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    """The environment of an S3-compatible store on loopback, with the buckets dvc and models."""
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"AWS_ACCESS_KEY_ID": "sweep", "AWS_SECRET_ACCESS_KEY": "sweep", "AWS_DEFAULT_REGION": "us-east-1"}
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="sweep",
        aws_secret_access_key="sweep",
    )
    for bucket in ("dvc", "models"):
        client.create_bucket(Bucket=bucket)
    yield keys | {"AWS_ENDPOINT_URL_S3": url, "MLFLOW_S3_ENDPOINT_URL": url}
    server.stop()


@pytest.fixture(scope="module")
def elsewhere(new_checkout, postgres, s3) -> Checkout:
    """A checkout whose every store is another one, in which the tiny sweep has run."""
    checkout = new_checkout()
    checkout.params()
    checkout.environment |= s3 | {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"postgresql+asyncpg://sweep@{postgres}/prefect",
        "MLFLOW_TRACKING_URI": f"postgresql+psycopg2://sweep@{postgres}/mlflow",
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": "s3://models/sweeps",
    }
    use_s3(checkout, s3)
    checkout.first_run = checkout.flow("--max-parallel", "2")
    return checkout


def use_s3(checkout: Checkout, s3: dict[str, str]) -> None:
    use_remote(checkout, "s3://dvc/outputs")
    checkout.call("dvc", "remote", "modify", "--local", "storage", "endpointurl", s3["MLFLOW_S3_ENDPOINT_URL"])


def test_nothing_is_left_to_the_checkouts_own_stores(elsewhere):
    assert not list(elsewhere.root.glob("mlflow.db*"))
    assert not (elsewhere.root / "mlartifacts").exists()
    assert not list((elsewhere.root / ".prefect").glob("prefect.db*"))


def test_the_champion_is_loaded_from_there(elsewhere):
    assert elsewhere.python(REGISTERED).stdout.strip().endswith("True")


def test_a_second_run_has_nothing_to_do(elsewhere):
    assert "unchanged" in elsewhere.flow().stdout
    assert elsewhere.is_clean()


def test_a_stage_in_a_clone_of_its_own_hands_over_by_s3(elsewhere, s3, tmp_path, monkeypatch):
    from flows.dvc_repo.graph import survey

    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    clone = git_clone(elsewhere.root, tmp_path / "clone")
    use_s3(clone, s3)
    elsewhere.call("dvc", "push", "dataset", "ingest", *(f"harvest@{v}" for v in (0.0, 0.25, 1.0)))
    monkeypatch.chdir(elsewhere.root)
    surveyed = survey()
    fit = next(stage for stage in surveyed.graph.stages if stage.address == "fit")
    handover = Handover.of(fit, elsewhere.root, has_remote=surveyed.has_remote)
    before = elsewhere.digests()
    outcome, entry = run_in_clone("fit", handover, clone.root, force=False, say=print)
    assert outcome.action == "ran"
    shutil.rmtree(elsewhere.root / "data" / "tiny" / "surrogate")
    take_over(elsewhere.root, "fit", entry)
    assert (elsewhere.root / "data" / "tiny" / "surrogate").is_dir()
    assert elsewhere.digests() == before
