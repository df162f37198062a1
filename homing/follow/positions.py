"""Where a feed goes on: its position, in a file that is replaced whole."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from features.errors import UNDECODABLE, StoreUnavailable
from serving.files import write_atomically

FILE: Final = "position.json"


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    position: str


class Positions:
    """The position of one feed.

    Args:
        folder: The feed's own.

    Attributes:
        position: Where to go on; empty at the beginning.

    Raises:
        StoreUnavailable: The file can't be read.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self.position = self._read()

    def keep(self, position: str) -> None:
        """Go on behind this position from now on; an empty one, or the same, changes nothing.

        Raises:
            StoreUnavailable: It can't be written; the former one still is.
        """
        if position in {"", self.position}:
            return
        try:
            write_atomically(self._path, msgspec.json.encode(_Kept(position)))
        except OSError as error:
            message = f"{self._path} can't be written: {error.strerror}; see to the disk"
            raise StoreUnavailable(message) from error
        self.position = position

    def _read(self) -> str:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Kept).position
        except FileNotFoundError:
            return ""
        except (OSError, *UNDECODABLE) as error:
            message = (
                f"{self._path} can't be read: see to the disk; to begin where the feed does, which "
                "doubles nothing that has ids of its own, remove it"
            )
            raise StoreUnavailable(message) from error
