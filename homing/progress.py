"""How long work shows itself: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from features.progress import Advance

PLAIN_STEPS = 4
"""Lines that one stage prints where there is no terminal, at the most."""


class Stages:
    """Shows the stages of a long command on standard error, so that standard output stays clean.

    Args:
        console: Where to write; a terminal gets bars.
        quiet: Show nothing, as `--json` asks.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet

    @contextmanager
    def stage(self, name: str) -> Iterator[Advance]:
        """One stage, from its start to its end; yields what tells how far it is."""
        if self._quiet:
            yield lambda _done, _total: None
        elif self._console.is_terminal:
            with self._bar(name) as advance:
                yield advance
        else:
            with self._lines(name) as advance:
                yield advance

    @contextmanager
    def _bar(self, name: str) -> Iterator[Advance]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(name, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total or None)
            shown = progress.tasks[0]
            progress.update(task, total=shown.completed or 1, completed=shown.completed or 1)

    @contextmanager
    def _lines(self, name: str) -> Iterator[Advance]:
        began = time.perf_counter()
        shown = 0

        def advance(done: int, total: int) -> None:
            nonlocal shown
            step = done * PLAIN_STEPS // total if total else 0
            if step > shown and done < total:
                shown = step
                self._console.print(f"{name}: {done:,} of {total:,}", highlight=False)

        self._console.print(f"{name} …", highlight=False)
        yield advance
        self._console.print(f"{name}: {time.perf_counter() - began:.1f} s", highlight=False)
