"""Systemd user units for a checkout: server, deployments and workers that start with the machine, and are kept alive.

Each unit runs `python -m flows` in the checkout: what it runs settles its own environment. A unit says only where it
is, and what a login shell would have said: the PATH that stages find their commands by, the MLflow store.
"""

import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

from flows.environment import CHECKOUT, STATE
from flows.server.automations import check_url
from flows.server.deployment import API, POOLS, ServerError, answers, loopback, publish, wait_for
from pipeline.errors import ConfigurationError
from pipeline.storage.atomic import write_json, write_text
from pipeline.storage.files import read_json
from pipeline.tracking.store import ARTIFACTS_VARIABLE, URI_VARIABLE

INSTALLED = STATE / "units.json"
"""The server's URL, and the names of the units of this checkout."""
STORES = (
    URI_VARIABLE,
    ARTIFACTS_VARIABLE,
    "MLFLOW_S3_ENDPOINT_URL",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",
)
"""What says where the stores are; keys are left to the files in which their owners look for them."""
LINGER = "to start them with the machine, not with your login: loginctl enable-linger"


def folder() -> Path:
    """Where systemd looks for a user's units."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def units(root: Path, port: int) -> dict[str, str]:
    """The content of every unit by its name: PREFIX-server, PREFIX-deployments, and PREFIX-worker-POOL for each pool.

    ConfigurationError where the checkout's path holds a line break, which no unit can name.
    """
    if "\n" in str(root):
        raise ConfigurationError(f"the checkout's path {str(root)!r} holds a line break; move it to write units")
    prefix = _prefix(root)
    server, deployments = f"{prefix}-server.service", f"{prefix}-deployments.service"
    own = ["--port", str(port)]
    return {
        server: _unit(root, port, "Prefect server", ["serve", *own]),
        deployments: _unit(root, port, "deployments", ["publish", *own], after=server, once=True),
        **{
            f"{prefix}-worker-{pool}.service": _unit(
                root, port, f"worker of the pool {pool}", ["work", pool, *own], after=f"{server} {deployments}"
            )
            for pool in POOLS
        },
    }


def _prefix(root: Path) -> str:
    return "sweep-" + re.sub(r"[^A-Za-z0-9_.]+", "-", root.name).strip("-")


def _unit(root: Path, port: int, what: str, arguments: list[str], *, after: str = "", once: bool = False) -> str:
    """A unit that runs `python -m flows ARGUMENTS` in the checkout; once: to its end, instead of for ever."""
    environment = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        API: f"{loopback(port)}/api",
        CHECKOUT: str(root),
        **{name: os.environ[name] for name in STORES if name in os.environ},
    }
    kind = ["Type=oneshot", "RemainAfterExit=yes", "Restart=on-failure"] if once else ["Type=exec", "Restart=always"]
    command = " ".join(_quoted(word, dollar="$$") for word in [sys.executable, "-m", "flows", *arguments])
    lines = [
        "[Unit]",
        f"Description={_escaped(f'Sweep to surrogate, {root.name}: {what}')}",
        *([f"After={after}", f"Wants={after}"] if after else ["After=network.target"]),
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        *kind,
        "RestartSec=5",
        f"WorkingDirectory={_escaped(str(root))}",
        *(f"Environment={_quoted(f'{name}={value}')}" for name, value in environment.items()),
        f"ExecStart={command}",
        "TimeoutStopSec=30",
        "",
        "[Install]",
        "WantedBy=default.target",
    ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Text as systemd reads it unchanged: its specifiers begin with %."""
    return text.replace("%", "%%")


def _quoted(text: str, dollar: str = "$") -> str:
    """A word of a list, in quotes. dollar: what $ is written as; commands expand variables, Environment= does not."""
    inside = _escaped(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", dollar)
    return f'"{inside}"'


def install(root: Path, port: int, notify: str | None = None) -> str:
    """Write the units of a checkout, and start them where systemd runs; what was done, and what is left to do.

    notify: as of `publish`, which needs a server that runs. ServerError where it does not start, where the port is
    taken, or where units of the same name belong to another checkout.
    """
    if notify is not None:
        check_url(notify)
    written, where = units(root, port), folder()
    if others := [name for name in written if _is_of_another(where / name, root)]:
        raise ServerError(
            f"{where / others[0]} belongs to another checkout of this name; rename one of the two folders"
        )
    if installed(root)[0] is None and answers(loopback(port)):
        raise ServerError(f"port = {port}: the port is already in use; make deploy-stop, or choose another: PORT=4201")
    runs = has_systemd()
    if notify is not None and not runs:
        raise ServerError("notify: no systemd runs here to start the server, which keeps the webhook; leave NOTIFY out")
    where.mkdir(parents=True, exist_ok=True)
    (root / STATE).mkdir(exist_ok=True)
    for name, text in written.items():
        write_text(where / name, text)
        (where / name).chmod(0o600)  # an address may hold a password
    write_json(root / INSTALLED, {"url": loopback(port), "units": sorted(written)})
    if not runs:
        return f"Units are in {where}, not started: no systemd runs here.\nWhere it does, {LINGER}"
    _systemctl("daemon-reload")
    _systemctl("enable", *written)
    _systemctl("restart", *written)  # starts those that do not run
    url = loopback(port)
    wait_for(url, lambda: True, f"journalctl --user -u {_prefix(root)}-server")
    if notify is not None:
        publish(root, url, notify)
    return f"Prefect runs at {url}, by the units in {where}; {LINGER}\nStop and remove them: make deploy-stop"


def _is_of_another(path: Path, root: Path) -> bool:
    if not path.is_file():
        return False
    return read_unit(path)["Service"].get("WorkingDirectory") != _escaped(str(root))


def read_unit(path: Path) -> ConfigParser:
    """A unit's sections; of a name that is given several times, the last value."""
    parser = ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#", ";"))
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # systemd's names are case-sensitive
    parser.read_string(path.read_text(encoding="utf-8"))
    return parser


def uninstall(root: Path) -> str | None:
    """Stop and remove the units of a checkout; None where it has none."""
    names = installed(root)[1]
    if not names:
        return None
    if has_systemd():
        _systemctl("disable", "--now", *names)
    for name in names:
        (folder() / name).unlink(missing_ok=True)
    (root / INSTALLED).unlink()
    return "Removed " + ", ".join(names) + "."


def installed(root: Path) -> tuple[str | None, list[str]]:
    """The URL of the server that the units of a checkout run, and their names; None and none without units."""
    if not (root / INSTALLED).is_file():
        return None, []
    document = read_json(root / INSTALLED, "units")
    return str(document["url"]), [str(name) for name in document["units"]]


def has_systemd() -> bool:
    """Whether this user's systemd can be spoken to."""
    if shutil.which("systemctl") is None:
        return False
    shown = ["systemctl", "--user", "show-environment"]
    return subprocess.run(shown, capture_output=True, check=False).returncode == 0


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(["systemctl", "--user", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"systemctl --user {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
