"""Notes of finished trials, one line each, from which an interrupted study goes on.

Optuna's own file storage writes and flushes some thirty lines a trial, 170 ms here, which is more
than a trial takes in a small shop; and what it keeps of a trial that was under way is of no use.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from features.errors import UNDECODABLE, StoreUnavailable
from serving.model.manifest import Param

State = Literal["complete", "pruned", "failed"]


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """A finished trial.

    Attributes:
        params: Parameter name → what was tried.
        distributions: Parameter name → what it was drawn from, as Optuna writes it.
        scores: After each share of the customers that was looked at.
        state: `complete`; `pruned` when shares were left out; `failed` when nothing could be
            fitted.
        seconds: How long it took.
    """

    params: dict[str, Param]
    distributions: dict[str, str]
    scores: tuple[float, ...]
    state: State
    seconds: float


class Notes:
    """The finished trials of one study; whoever writes holds the lock of training.

    Args:
        path: Of the file; made with the first note. What is no whole note ends it: the process
            that wrote was killed there.

    Attributes:
        trials: In the order in which they finished.

    Raises:
        StoreUnavailable: The file can't be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._length = 0
        self.trials: list[Noted] = []
        with _on_disk(path):
            content = path.read_bytes() if path.exists() else b""
        whole, end, _ = content.rpartition(b"\n")
        for line in (whole + end).splitlines(keepends=True):
            try:
                self.trials.append(_noted.decode(line))
            except UNDECODABLE:
                break
            self._length += len(line)

    def add(self, trial: Noted) -> None:
        """Keep a trial.

        Raises:
            StoreUnavailable: The file can't be written.
        """
        line = msgspec.json.encode(trial) + b"\n"
        with _on_disk(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.truncate(self._length)
                file.write(line)
        self._length += len(line)
        self.trials.append(trial)


def open_folder(home: Path, digest: str) -> Path:
    """Where the notes of one data version are; those of others are dropped.

    Args:
        home: Of all notes.
        digest: Names the data version.

    Raises:
        StoreUnavailable: The folder can't be read.
    """
    with _on_disk(home):
        others = [path for path in home.iterdir() if path.name != digest] if home.exists() else []
    for path in others:
        shutil.rmtree(path, ignore_errors=True)
    return home / digest


@contextmanager
def _on_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"{path}: can't be read or written: {error.strerror}; free space there"
        raise StoreUnavailable(message) from error


_noted = msgspec.json.Decoder(Noted)
