"""Workers in clones of their own: nothing is shared but git, DVC's remote and Prefect's server."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun

from flows.server.deployment import answers
from tests.flows.conftest import Checkout, commit
from tests.flows.server.test_processes import PATIENCE, runs_of
from tests.flows.waiting import free_port, wait_until

pytestmark = pytest.mark.slow
POOL = "gpu"


@contextmanager
def background(checkout: Checkout, log: Path, *arguments: str) -> Iterator[None]:
    """`prefect ARGUMENTS` while this lasts; its children end with it."""
    with log.open("w") as output:
        process = psutil.Popen(
            [sys.executable, "-m", "prefect", *arguments],
            cwd=checkout.root,
            env=checkout.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        family = [*process.children(recursive=True), process]
        for member in family:
            if member.is_running():
                member.terminate()
        for member in psutil.wait_procs(family, timeout=20)[1]:
            member.kill()


def git_clone(origin: Path, root: Path, **environment: str) -> Checkout:
    subprocess.run(["git", "clone", "-q", str(origin), str(root)], check=True)
    clone = Checkout(root)
    clone.environment |= environment
    return clone


class Site:
    """A run's checkout and a remote; the server; workers of the pool in two clones of their own."""

    def __init__(self, home: Checkout, clones: list[Checkout], client: SyncPrefectClient):
        self.home, self.clones, self.client = home, clones, client

    def dispatched(self) -> dict[str, FlowRun]:
        """The newest run of every stage that was sent to the pool."""
        runs = sorted(runs_of(self.client, POOL), key=lambda run: str(run.created))
        return {run.name: run for run in runs}


def use_remote(checkout: Checkout, url: str) -> None:
    checkout.call("dvc", "remote", "add", "--local", "--default", "storage", url)


@pytest.fixture(scope="module")
def site(new_checkout: Callable[[], Checkout], tmp_path_factory) -> Iterator[Site]:
    home, folder, port = new_checkout(), tmp_path_factory.mktemp("site"), free_port()
    graph = home.root / "dvc.yaml"
    before, train, after = graph.read_text().partition("\n  train:")
    graph.write_text(before + train + after.replace("meta: {pool: cpu}", "meta: {pool: gpu}", 1))
    commit(home.root)
    home.params()
    reach = {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api", "PREFECT_HOME": str(folder / "prefect")}
    quiet = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_CLI_PROMPT": "false"}
    home.environment |= reach | quiet
    clones = [git_clone(home.root, folder / name, **reach, **quiet) for name in ("first", "second")]
    for checkout in (home, *clones):
        use_remote(checkout, str(folder / "storage"))
    for clone in clones:
        clone.environment["SWEEP_CHECKOUT"] = str(clone.root)
    start = ("worker", "start", "--pool", POOL, "--type", "process", "--limit", "1")
    with background(home, folder / "server.log", "server", "start", "--host", "127.0.0.1", "--port", str(port)):
        wait_until(lambda: answers(f"{reach['PREFECT_API_URL']}/health"), PATIENCE)
        home.call("prefect", "work-pool", "create", POOL, "--type", "process")
        home.call("prefect", "--no-prompt", "deploy", "--name", POOL)
        with (
            background(clones[0], folder / "first.log", *start),
            background(clones[1], folder / "second.log", *start),
            SyncPrefectClient(reach["PREFECT_API_URL"]) as client,
        ):
            yield Site(home, clones, client)


@pytest.fixture(scope="module")
def first_run(site) -> subprocess.CompletedProcess[str]:
    return site.home.flow("--dispatch", "--max-parallel", "2")


def test_stages_run_in_clones_and_their_outputs_come_home(site, first_run):
    states = {name: run.state for name, run in site.dispatched().items()}
    assert {"train@0.0", "train@0.25", "train@1.0", "fit", "validate"} <= set(states)
    assert {(state.name, state.message) for state in states.values()} == {("Pushed", "ran")}
    assert site.home.is_clean()
    assert (site.home.root / "data" / "tiny" / "surrogate").is_dir()


def test_clones_stay_as_they_were(site, first_run):
    for clone in site.clones:
        assert not list((clone.root / ".worktrees").iterdir())
        assert not (clone.root / "data" / "tiny").exists()
        status = subprocess.run(["git", "status", "--porcelain"], cwd=clone.root, capture_output=True, check=True)
        assert not status.stdout


def test_the_same_surrogate_as_in_one_checkout(site, first_run, finished):
    assert site.home.digests() == finished.first_digests


def test_what_another_checkout_computed_is_restored_from_the_remote(site, first_run, tmp_path):
    other = git_clone(site.home.root, tmp_path / "other")
    other.environment |= site.home.environment
    use_remote(other, str(site.home.root / site.home.call("dvc", "remote", "list").stdout.split()[1]))
    other.params()
    said = other.flow("--dispatch", "--max-parallel", "2").stdout
    assert "restored" in said
    assert {run.state.message for run in site.dispatched().values()} == {"restored"}
    assert other.is_clean()


def test_code_that_is_not_committed_is_refused(site, first_run):
    path = site.home.root / "pipeline" / "stages" / "validate.py"
    before = path.read_text()
    path.write_text(before + "# changed\n")
    done = site.home.flow("--dispatch", check=False)
    path.write_text(before)
    assert done.returncode == 1
    assert "not committed: pipeline/stages/validate.py; commit and push them" in done.stdout + done.stderr
