"""No event log: for a process without a durable disk, which must not acknowledge events."""

from __future__ import annotations

from collections.abc import Sequence

from features.errors import StoreUnavailable
from features.stores.ports import DeadLetter, Entry


class NoLog:
    """The `EventLog` that keeps nothing, and so accepts nothing; it is always empty."""

    def append(self, bodies: Sequence[bytes]) -> None:
        """Refuse.

        Raises:
            StoreUnavailable: Unless there is nothing to append.
        """
        if bodies:
            raise _refusal()

    def take(self, reader: str, limit: int) -> list[Entry]:  # noqa: ARG002 - the port's form
        """Nothing."""
        return []

    def commit(self, reader: str, position: int) -> None:
        """Nothing to move behind."""

    def depth(self, reader: str) -> int:  # noqa: ARG002 - the port's form
        """Always 0."""
        return 0

    def trim(self) -> int:
        """Always 0."""
        return 0

    def bury(self, bodies: Sequence[bytes], reason: str, source: str) -> None:  # noqa: ARG002 - the port's form
        """Refuse.

        Raises:
            StoreUnavailable: Unless there is nothing to bury.
        """
        self.append(bodies)

    def dead_letters(self, limit: int = 100, after: int = 0) -> list[DeadLetter]:  # noqa: ARG002 - the port's form
        """None."""
        return []

    def remove_dead(self, ids: Sequence[int]) -> None:
        """Nothing to remove."""

    def close(self) -> None:
        """Nothing to close."""


def _refusal() -> StoreUnavailable:
    return StoreUnavailable(
        "this process takes no events in (HOMING_LOG_URL=none://): send them to one that does"
    )
