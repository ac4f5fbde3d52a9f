"""Systemd units: what they say, read as systemd reads it, and that what they start answers."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from flows.server.deployment import ServerError, answers, wait_for
from flows.server.units import folder, install, installed, read_unit, uninstall, units
from flows.server.zombies import worker_name
from tests.flows.server.serving import client_at
from tests.flows.waiting import free_port

NAMES = [
    "sweep-my-sweep-deployments",
    "sweep-my-sweep-server",
    "sweep-my-sweep-worker-cpu",
    "sweep-my-sweep-worker-gpu",
]


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A checkout whose path has all that systemd would read otherwise, in a home of its own without systemd."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = tmp_path / "of 50% $HOME" / "my sweep"
    found.mkdir(parents=True)
    return found


def words(command: str) -> list[str]:
    """A command line as systemd splits it: quotes and escapes as a shell's, %% and $$ for % and $."""
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(command)]


def test_units_restart_in_the_checkout_and_start_at_boot(root):
    said = install(root, 4300)
    assert "not started: no systemd runs here" in said
    assert "loginctl enable-linger" in said
    assert sorted(path.stem for path in folder().iterdir()) == NAMES
    for path in folder().iterdir():
        unit = read_unit(path)
        assert unit["Install"]["WantedBy"] == "default.target"
        assert unit["Service"]["WorkingDirectory"] == str(root).replace("%", "%%")
        assert unit["Service"]["Restart"] == ("on-failure" if "deployments" in path.stem else "always")
        assert words(unit["Service"]["ExecStart"])[1:3] == ["-m", "flows"]
        assert words(unit["Service"]["ExecStart"])[-2:] == ["--port", "4300"]


def test_units_say_where_the_checkout_and_its_server_are(root):
    for text in units(root, 4300).values():
        environment = [words(line.partition("=")[2])[0] for line in text.splitlines() if line.startswith("Environment")]
        assert f"SWEEP_CHECKOUT={root}".replace("$", "$") in [e.replace("$$", "$") for e in environment]
        assert "PREFECT_API_URL=http://127.0.0.1:4300/api" in environment


def test_workers_come_after_the_server(root):
    install(root, 4300)
    unit = read_unit(folder() / "sweep-my-sweep-worker-gpu.service")
    assert unit["Unit"]["After"] == "sweep-my-sweep-server.service sweep-my-sweep-deployments.service"


def test_units_of_another_checkout_of_this_name_are_not_overwritten(root, tmp_path):
    install(root, 4300)
    other = tmp_path / "other" / "my sweep"
    other.mkdir(parents=True)
    with pytest.raises(ServerError, match="belongs to another checkout of this name; rename one of the two"):
        install(other, 4301)
    install(root, 4302)
    assert installed(root)[0] == "http://127.0.0.1:4302"


def test_a_webhook_needs_a_server_that_runs(root):
    with pytest.raises(ServerError, match="no systemd runs here to start the server"):
        install(root, 4300, "https://example.org/hook")


def test_units_are_removed_once(root):
    install(root, 4300)
    assert uninstall(root) == f"Removed {', '.join(f'{name}.service' for name in NAMES)}."
    assert list(folder().iterdir()) == []
    assert uninstall(root) is None


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_no_fault(root):
    systemd = shutil.which("systemd-analyze", path=os.defpath + ":/usr/bin:/bin")
    install(root, 4300)
    paths = sorted(map(str, folder().iterdir()))
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(root)}
    command = [str(systemd), "--user", "verify", *paths]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if "sweep-" in line]


@pytest.mark.slow
def test_what_units_start_answers(new_checkout, monkeypatch, tmp_path):
    checkout, port = new_checkout(), free_port()
    url = f"http://127.0.0.1:{port}"
    written = {name.split("-", 2)[-1]: text for name, text in units(checkout.root, port).items()}
    kinds = {kind: next(t for n, t in written.items() if kind in n) for kind in ("server", "deployments", "worker-cpu")}
    started = []

    def start(kind: str) -> "subprocess.Popen[bytes]":
        path = tmp_path / f"{kind}.service"
        path.write_text(kinds[kind])
        command = words(read_unit(path)["Service"]["ExecStart"])
        lines = [line.partition("=")[2] for line in kinds[kind].splitlines() if line.startswith("Environment=")]
        given = dict(words(line)[0].split("=", 1) for line in lines)
        command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command]  # as what a script starts in the background
        started.append(subprocess.Popen(command, cwd=checkout.root, env={"HOME": str(tmp_path), **given}))
        return started[-1]

    try:
        server = start("server")
        wait_for(url, lambda: server.poll() is None, "above")
        assert start("deployments").wait(200) == 0
        with client_at(url) as client:
            names = {deployment.name for deployment in client.read_deployments()}
            assert {"nightly-refresh", "on-demand", "gpu"} <= names
            worker = start("worker-cpu")
            wait_for(f"{url}", lambda: worker.poll() is None, "above")
            while worker.poll() is None and not client.read_workers_for_work_pool("cpu"):
                assert answers(f"{url}/api/health")
            assert [w.name for w in client.read_workers_for_work_pool("cpu")] == [worker_name("cpu", checkout.root)]
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(60)
