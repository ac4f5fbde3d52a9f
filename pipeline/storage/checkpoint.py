"""Checkpoints: long work that was killed goes on from where it was, to the same result, bit by bit.

Code that takes long says where it can go on from, and knows nothing of files:

    for step in resumable(steps, model=module, optimiser=optimiser, generator=generator, losses=losses):
        ...                                       # a loop, and everything that its body changes
    coupling = once(couple, generator=generator)  # a part that is either done or not, and what it draws from

Who runs it says what work it belongs to, `kept_work`; without that, the same loops just run. Python's own generators,
NumPy's and torch's global ones, are kept beside what is handed in. Parts are known by the order in which they are asked
for, which the work decides alone; inside a part there may be loops and parts, inside a loop nothing is kept.

A checkpoint is one safetensors file, written atomically: when a share of the time so far has passed since the last one,
or some seconds (`Pace`), so that a kill costs little of a short work, too; and never so often that writing takes more
than a fiftieth of the time. It is of use to one key alone: a digest of all that decides the result.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pipeline.errors import BundleError
from pipeline.settings import in_a_line
from pipeline.storage.checkpoint_files import Address, Entry, clear, clear_others, read_entries, write_entries
from pipeline.storage.packing import GLOBAL, Tensors, check_changeable, pack, restore, state_of, unpack
from pipeline.storage.progress import counted, within

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Pace:
    """How often checkpoints are written: after `share` of the time so far or `every` seconds, whichever is less.

    But after `patience` times the seconds that one took at least, the quickest of the last three: a disk may be slow
    for a moment. The first is taken to cost `first` seconds.
    """

    every: float = 5.0
    share: float = 0.08
    patience: float = 50.0
    first: float = 0.01

    def is_due(self, since: float, so_far: float, costs: Sequence[float]) -> bool:
        """Whether one is due, `since` seconds after the last one and `so_far` after the work began."""
        dear = self.patience * min(costs[-3:], default=self.first)
        return since >= max(dear, min(self.every, self.share * so_far))


class Work:
    """One piece of work, with its checkpoints below a folder until it is done.

    key: called once, when the first checkpoint could be of use: a digest of all that decides the result.
    """

    def __init__(self, folder: Path, key: Callable[[], str], pace: Pace) -> None:
        self._home, self._key, self._pace = folder, key, pace
        self._folder: Path | None = None
        self._found: dict[Address, Entry] = {}
        self._pending: dict[Address, Entry] = {}
        self._prefix: Address = ()
        self._number = 0
        self._started = self._last = time.perf_counter()
        self._before = 0.0
        self._costs: list[float] = []
        self.in_loop = self._broken = False

    @property
    def seconds(self) -> float:
        """Wall seconds that the work has taken, those before it was killed included, without what was lost."""
        return self._before + time.perf_counter() - self._started

    def loop(self, count: int, name: str, state: Mapping[str, Any]) -> Iterator[int]:
        """As `resumable`."""
        address = self._next_address()
        first, _ = self._put_back(address, name, state)
        self.in_loop = True
        try:
            for step in counted(range(first, count), name, first):
                yield step
                if step + 1 < count and self._is_due():
                    self._write(address, partial(_copied, name, step + 1, state))
        finally:
            self.in_loop = False
        if first < count:
            self._pending[address] = _copied(name, count, state)
            self._write_if_due()

    def part(self, compute: Callable[[], T], name: str, state: Mapping[str, Any]) -> T:
        """As `once`."""
        address = self._next_address()
        done, result = self._put_back(address, name, state)
        if done:
            return result  # type: ignore[no-any-return]
        outside, self._prefix, self._number = (self._prefix, self._number), address, 0
        try:
            with within(name):
                result = compute()
        finally:
            self._prefix, self._number = outside
        self._pending = {a: e for a, e in self._pending.items() if a[: len(address)] != address}
        entry = self._pending[address] = Entry.of(name, 1, _taken(state) | {RESULT: result})
        self._write_if_due()
        return entry.values()[RESULT]  # type: ignore[no-any-return]

    def forget(self) -> None:
        """Remove the checkpoints: the work is done."""
        clear(self._home)

    def _open(self) -> None:
        if self._folder is not None:
            return
        self._folder = self._home / self._key()[:32]
        clear_others(self._home, self._folder)
        self._found, self._before = read_entries(self._folder)
        if self._found:
            logger.info("goes on from a checkpoint, after %.1f s of work", self._before)

    def _next_address(self) -> Address:
        self._open()
        self._number += 1
        return (*self._prefix, self._number)

    def _put_back(self, address: Address, name: str, state: Mapping[str, Any]) -> tuple[int, Any]:
        """Put the state of a loop or part back; the steps that were done, and the result: 0 and None where none is.

        Raises BundleError, and removes the checkpoints, where the state does not fit.
        """
        if (entry := self._found.pop(address, None)) is None:
            return 0, None
        try:
            saved = entry.values()
            if entry.name != name or saved.keys() - {RESULT} != state.keys() | {GENERATORS}:
                raise ValueError(f"it is of {entry.name}: {sorted(saved)}")
            for key, part in state.items():
                restore(part, saved[key])
            restore(GLOBAL, saved[GENERATORS])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            self.forget()
            raise BundleError(
                f"the checkpoint of {name} {list(state)} does not fit it ({in_a_line(str(error))}), and is removed; "
                "run the stage again, from its beginning. What it does must depend on settings, seed and data alone"
            ) from error
        return entry.step, saved.get(RESULT)

    def _is_due(self) -> bool:
        since = time.perf_counter() - self._last
        return not self._broken and self._pace.is_due(since, self.seconds, self._costs)

    def _write_if_due(self) -> None:
        if self._pending and self._is_due():
            self._write()

    def _write(self, address: Address = (), running: Callable[[], Entry] | None = None) -> None:
        """Write what is finished and not yet written, then the loop that runs at an address, copied by `running`."""
        start = time.perf_counter()
        assert self._folder is not None
        try:
            if self._pending:
                write_entries(self._folder, self._pending, self.seconds)
                self._pending = {}
            if running is not None:
                write_entries(self._folder, {address: running()}, self.seconds, running=True)
        except OSError as error:  # a full disk is no reason to lose what has been computed
            logger.warning("no checkpoint can be written (%s): if this is killed, it begins again", error)
            self._broken = True
        self._last = time.perf_counter()
        self._costs.append(self._last - start)


RESULT, GENERATORS = "", "*"
"""Keys beside those of a caller, which are names in Python."""
_CURRENT: ContextVar[Work | None] = ContextVar("work", default=None)


def _copied(name: str, step: int, state: Mapping[str, Any]) -> Entry:
    return Entry.of(name, step, _taken(state))


def _taken(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: state_of(part) for name, part in state.items()} | {GENERATORS: state_of(GLOBAL)}


@contextmanager
def kept_work(folder: Path, key: Callable[[], str], pace: Pace = Pace()) -> Iterator[Work]:
    """Loops and parts within belong to this work; at its end, unless by an exception, its checkpoints are removed.

    folder: of this work alone. key: a digest of all that decides the result; a checkpoint of another key is removed.
    """
    work = Work(folder, key, pace)
    token = _CURRENT.set(work)
    try:
        yield work
    finally:
        _CURRENT.reset(token)
    work.forget()


def resumable(count: int, name: str = "training", /, **state: Any) -> Iterator[int]:
    """The steps 0 … count − 1 of a loop, those left where the work was killed within it.

    state: everything that the loop's body changes and that matters later, by any names: torch modules, optimisers and
    schedules; generators of torch and NumPy; arrays, tensors, lists and dictionaries, which are changed in place; what
    has state_dict() and load_state_dict(). All of it is as it was after the last step that was kept, once the first
    step is asked for; what else the loop needs is made before it, from the same seed. Where the loop had ended, no step
    is left: what is returned after it is part of the state, too. A loop that ends by `break` decides that from its
    state at the beginning of a step.

    Raises ConfigurationError for a state that cannot be changed in place, such as a number.
    """
    for key, part in state.items():
        check_changeable(key, part)
    work = _CURRENT.get()
    if work is None or work.in_loop:
        return counted(range(count), name)
    return work.loop(count, name, state)


def once(compute: Callable[[], T], name: str = "part", /, **state: Any) -> T:
    """The result of a part: computed, or as it was where the work had finished it before it was killed.

    Made of arrays, tensors, numbers, texts, lists, tuples and dictionaries. state: what the part changes, as in
    `resumable`: the generators that it draws from. Raises ConfigurationError for a result that is made of other things.
    """
    for key, part in state.items():
        check_changeable(key, part)
    work = _CURRENT.get()
    if work is None or work.in_loop:
        tensors: Tensors = {}
        with within(name):
            result = compute()
        return unpack(pack(result, tensors), tensors)  # type: ignore[no-any-return]  # laid out as it would be read
    return work.part(compute, name, state)
