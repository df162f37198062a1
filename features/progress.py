"""How long work tells whoever watches where it is: a port that the command line draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Advance = Callable[[int, int], None]
"""Called with what is done and what there is in all; a total of 0 means that it isn't known."""

Stage = Callable[[str], AbstractContextManager[Advance]]
"""Opens one named stage of the work; what it yields tells how far the stage is."""


@contextmanager
def silent(_name: str) -> Iterator[Advance]:
    """A stage that nobody watches."""
    yield lambda _done, _total: None
