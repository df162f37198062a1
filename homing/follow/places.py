"""Where the following of a database goes on, and whether the database still has what comes next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from features.errors import UNDECODABLE, SettingsError, StoreUnavailable
from homing.follow.positions import Positions
from homing.follow.postgres import Database


class Place(msgspec.Struct, frozen=True):
    """Where a database's changes go on.

    Attributes:
        slot: The slot that holds what comes after.
        begin: The position that it began at.
        read: Whether the rows that were there at the first start have been read.
        offset: The engine's, as JSON; empty before its first batch.
        columns: Table → column → type, when it was last looked.
    """

    slot: str
    begin: int
    read: bool
    offset: str = ""
    columns: dict[str, dict[str, str]] = {}

    def position(self) -> int:
        """Up to where the server's log has been taken."""
        return int(msgspec.json.decode(self.offset)["lsn"]) if self.offset else self.begin

    def engine_offset(self) -> str:
        """What an engine is told to go on behind."""
        if self.offset:
            return self.offset
        begin = {"lsn": self.begin, "lsn_proc": self.begin, "lsn_commit": self.begin, "ts_usec": 0}
        return msgspec.json.encode(begin).decode()


class Places:
    """The place of one source, in its folder.

    Args:
        folder: The source's own.

    Raises:
        StoreUnavailable: It can't be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._positions = Positions(folder)
        kept = self._positions.position
        try:
            self._place = msgspec.json.decode(kept, type=Place) if kept else None
        except UNDECODABLE as error:
            message = f"what {folder} has is no place of a database: {self.forget()}"
            raise StoreUnavailable(message) from error

    @property
    def place(self) -> Place:
        """The place; there is one after `settle`."""
        if self._place is None:
            message = "the place was asked for before the database"
            raise RuntimeError(message)
        return self._place

    def settle(self, database: Database, slot: str, *, reads: bool) -> None:
        """See that the slot holds what comes next; make it at the first start.

        Args:
            database: Has it.
            slot: Its name.
            reads: Whether the rows that are there are to be read first.

        Raises:
            SettingsError: What comes next is gone, or was read elsewhere; or no slot can be made.
            StoreUnavailable: Somebody else is reading it just now.
        """
        kept = self._place
        if kept is not None and kept.slot != slot:
            message = (
                f"{self._folder} goes on in the slot {kept.slot}, not in {slot}: name that one, "
                f"or SELECT pg_drop_replication_slot('{kept.slot}') and {self.forget()}"
            )
            raise SettingsError(message)
        found = database.slot(slot, self.forget())
        if found is None and kept is not None:
            message = (
                f"the slot {slot} is gone, and with it what has changed since: {self.forget()}"
            )
            raise SettingsError(message)
        if found is None:
            found = database.create_slot(slot)
        if found.holder is not None:
            message = (
                f"the slot {slot} is being read already, by the server's process {found.holder}"
            )
            raise StoreUnavailable(message)
        if kept is None:
            self.keep(Place(slot=slot, begin=found.position, read=not reads))
        elif kept.position() < found.position:
            message = (
                f"the slot {slot} was read further than {self._folder} knows, so changes are "
                f"missing here: {self.forget()}"
            )
            raise SettingsError(message)

    def forget(self) -> str:
        """How to begin anew."""
        return f"remove {self._folder} to read the tables once more; what was counted is not again"

    def change(self, **changes: Any) -> None:  # noqa: ANN401 - msgspec checks them
        """Keep the place with these attributes changed.

        Raises:
            StoreUnavailable: It can't be written.
        """
        self.keep(msgspec.structs.replace(self.place, **changes))

    def keep(self, place: Place) -> None:
        """Go on there from now on; durable on return.

        Raises:
            StoreUnavailable: It can't be written.
        """
        self._positions.keep(msgspec.json.encode(place).decode())
        self._place = place
