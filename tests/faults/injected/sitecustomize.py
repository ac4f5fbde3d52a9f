"""Loaded by every Python process of a schedule, by PYTHONPATH: makes one chosen call fail, or kills the process at it.

FAULT is a JSON document: `where`, a text that the process's command line holds; `call`, which calls are counted; `n`,
the call that is hit; `kills`, whether the process dies by it, or an error is raised; `marker`, a file that says that it
has happened: it happens once.
"""

import builtins
import errno
import importlib.abc
import importlib.machinery
import io
import json
import os
import signal
import sys
from pathlib import Path

FAULT = json.loads(os.environ["FAULT"]) if "FAULT" in os.environ else None
HERE = Path.cwd()


class Fault:
    """One fault, in one process."""

    def __init__(self, document):
        self.call, self.kills, self.left = document["call"], document["kills"], document["n"]
        self.marker = document["marker"]

    def is_due(self):
        self.left -= 1
        if self.left:
            return False
        try:
            os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        if self.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        return True


def counted(fault, function, error):
    """The function, which raises the error at the call that is due."""

    def call(*arguments, **keywords):
        if fault.is_due():
            raise error
        return function(*arguments, **keywords)

    return call


def patch_files(fault):
    if fault.call == "rename":
        error = OSError(errno.EIO, os.strerror(errno.EIO))
        os.rename, os.replace = counted(fault, os.rename, error), counted(fault, os.replace, error)
    if fault.call == "write":
        original, full = io.open, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def opened(file, mode="r", *arguments, **keywords):
            inside = isinstance(file, str | os.PathLike) and Path(file).absolute().is_relative_to(HERE)
            if inside and set(mode) & set("wax+") and fault.is_due():
                raise full
            return original(file, mode, *arguments, **keywords)

        builtins.open = io.open = opened


def patch_requests(fault, module):
    def request(self, *arguments, **keywords):
        if fault.is_due():
            raise module.ConnectError("connection refused: fault")
        return sync(self, *arguments, **keywords)

    async def request_async(self, *arguments, **keywords):
        if fault.is_due():
            raise module.ConnectError("connection refused: fault")
        return await original(self, *arguments, **keywords)

    sync, original = module.HTTPTransport.handle_request, module.AsyncHTTPTransport.handle_async_request
    module.HTTPTransport.handle_request = request
    module.AsyncHTTPTransport.handle_async_request = request_async


def patch_version(fault, module):
    """Between MLflow's run and its version."""
    client = module.MlflowClient
    client.create_model_version = counted(fault, client.create_model_version, ConnectionError("fault"))


def patch_lock(fault, module):
    """Between a stage's command and its entry of dvc.lock."""
    module.write_entries = counted(fault, module.write_entries, OSError(errno.EIO, os.strerror(errno.EIO)))


def patch_rwlock(fault, module):
    """In the middle of writing the list of paths in use: nothing of it is there yet."""
    original = module.json.dump

    def dump(document, file, **keywords):
        if str(file.name).endswith("rwlock"):
            fault.is_due()
        original(document, file, **keywords)

    module.json.dump = dump


LATER = {
    "http": ("httpx", patch_requests),
    "version": ("mlflow.tracking.client", patch_version),
    "lock": ("flows.dvc_repo.lock_file", patch_lock),
    "rwlock": ("dvc.rwlock", patch_rwlock),
}


class AfterImport(importlib.abc.MetaPathFinder):
    """Patches a module as soon as it has been imported."""

    def __init__(self, name, patch):
        self.name, self.patch = name, patch

    def find_spec(self, name, path, target=None):
        if name != self.name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        run = spec.loader.exec_module

        def run_and_patch(module):
            run(module)
            self.patch(module)

        spec.loader.exec_module = run_and_patch
        return spec


if FAULT and FAULT["where"] in " ".join(sys.orig_argv):
    chosen = Fault(FAULT)
    patch_files(chosen)
    if chosen.call in LATER:
        watched, patch = LATER[chosen.call]
        sys.meta_path.insert(0, AfterImport(watched, lambda module: patch(chosen, module)))
