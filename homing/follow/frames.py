"""What goes over a WebSocket: the address, subscriptions with a place in them, and messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from features.errors import UNDECODABLE
from features.sources.generic_mapping import Route, route
from features.sources.reading import name_of, text_of
from homing.declaring import filled
from homing.follow.connecting import credentials
from homing.follow.declared import CURSOR, WebSocket
from homing.follow.stream import Message

MOST_PLACE: Final = 1_000
"""Characters of a place; of a number that is one, `MOST_DIGITS`."""
MOST_DIGITS: Final = 30


class Frames:
    """What a WebSocket is told, and what it says.

    Args:
        socket: What it is.
        value_of: Name of a variable → its value.

    Raises:
        SettingsError: A variable is not set or can't be used.
    """

    def __init__(self, socket: WebSocket, value_of: Callable[[str], str]) -> None:
        self._first = socket.first
        url, params = str(filled(socket.url, value_of)), credentials(socket.auth, value_of)[1]
        mark = "&" if "?" in url else "?"
        self._url = f"{url}{mark}{urlencode(params)}" if params else url
        self._subscribe = [filled(one, value_of) for one in socket.subscribe]
        self._cursor = None if socket.cursor is None else route(socket.cursor)
        self._kind = None if socket.kind is None else route(socket.kind)

    def url(self, position: str) -> str:
        """The address to connect to, to go on behind a position."""
        return self._url.replace(CURSOR, quote(str(self._place(position)), safe=""))

    def subscriptions(self, position: str) -> list[str]:
        """What is sent then."""
        place = self._place(position)
        return [
            one.replace(CURSOR, str(place))
            if isinstance(one, str)
            else msgspec.json.encode(_at(one, place)).decode()
            for one in self._subscribe
        ]

    def message(self, body: bytes) -> Message:
        """A message that came, with its place and its kind where the file says where they are."""
        if self._cursor is None and self._kind is None:
            return Message("", "", body)
        try:
            said = msgspec.json.decode(body)
        except UNDECODABLE:
            return Message("", "", body, "not JSON; have the feed send JSON in UTF-8")
        position = _text(self._cursor, said)
        position = position if len(position) <= MOST_PLACE else ""
        return Message(position, _text(self._kind, said), body)

    def _place(self, position: str) -> str | int:
        """Where to go on; a number where numbers are counted."""
        if not position:
            return "" if self._first is None else self._first
        counted = isinstance(self._first, int) and position.isdecimal()
        return int(position) if counted and len(position) <= MOST_DIGITS else position


def _at(given: object, place: str | int) -> object:
    """What is sent as JSON, with the place where it belongs."""
    if given == CURSOR:
        return place
    if isinstance(given, str):
        return given.replace(CURSOR, str(place))
    if isinstance(given, dict):
        return {key: _at(value, place) for key, value in given.items()}
    return [_at(value, place) for value in given] if isinstance(given, list) else given


def _text(way: Route | None, said: object) -> str:
    """A text or a whole number of a message, as text; empty where there is none."""
    return "" if way is None else text_of(name_of(way.find(said, said))) or ""
