"""What a feed is: one TOML file, in the words of `docs/following.md`.

Exactly one of `[sse]`, `[websocket]` and `[changes]` says where it is. What its messages mean is
said by `[event]`, in the words of a webhook's mapping (`features.sources.generic_mapping`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal

import msgspec

from features.money import Exchange, read_rates
from features.sources.contract import PathRule
from features.sources.generic import MappedEvents
from features.sources.generic_mapping import (
    EventPaths,
    check_beside,
    check_event_paths,
    is_path,
    listed,
)
from features.toml_tables import Scalar, Table, parse_table, read_text, refused
from homing.declaring import check_source_name, find_file
from homing.follow.tables import Changes, check_changes, whole_path

PAGE: Final = "docs/following.md"
CURSOR: Final = "{cursor}"
"""Stands in what is asked for where the position belongs."""
MOST_BYTES: Final = 1024 * 1024
"""Of a message, where the file says nothing else."""
_INDEX = re.compile(r"\[\d+\]")
"""A place in a list."""


class Auth(Table, frozen=True):
    """Who we are to a feed. What is secret comes from the environment or mounted files.

    Attributes:
        type: `bearer` (`TOKEN`), `api_key` (`API_KEY`) or `basic` (`USERNAME`, `PASSWORD`).
        name: The header or parameter of an API key.
        location: Where that is.
    """

    type: Literal["bearer", "api_key", "basic"]
    name: str = "Authorization"
    location: Literal["header", "query"] = "header"


class Sse(Table, frozen=True):
    """Server-sent events. `{NAME}` in a text is the variable `HOMING_FOLLOW_<SOURCE>_NAME`.

    Attributes:
        url: Where they are.
        params: Of the query.
        headers: Besides those of `auth`.
        auth: Who we are.
        envelope: Whether a message is read as `{"event": …, "id": …, "data": …}`, so that paths
            reach its name and its id; without it as its data alone.
        silence: Seconds without a byte after which a connection is taken for dead.
        most_bytes: Of a message.
    """

    url: str
    params: dict[str, Scalar] = msgspec.field(default_factory=dict)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    auth: Auth | None = None
    envelope: bool = False
    silence: float = 90.0
    most_bytes: int = MOST_BYTES


class WebSocket(Table, frozen=True):
    """A WebSocket. `{NAME}` is as in `Sse`; `{cursor}` is where to go on.

    Attributes:
        url: Where it is.
        headers: Besides those of `auth`.
        auth: Who we are.
        subscribe: What is sent after connecting: texts as they are, tables as JSON.
        cursor: Path in a message of what tells where to go on after it.
        first: Where to begin, in place of `{cursor}`; what is asked with a number gets numbers.
        kind: Path in a message of what says of which kind it is.
        silence: Seconds in which a ping must be answered, and between two of them.
        most_bytes: Of a message.
    """

    url: str
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    auth: Auth | None = None
    subscribe: tuple[str | dict[str, object], ...] = ()
    cursor: str | None = None
    first: str | int | None = None
    kind: str | None = None
    silence: float = 20.0
    most_bytes: int = MOST_BYTES


class Declared(Table, frozen=True):
    """A whole file. Exactly one of `sse`, `websocket` and `changes`.

    Attributes:
        name: The source's; goes into `Event.source` and begins every id.
        event: How a message becomes events.
        sse: The server-sent events that it follows.
        websocket: The WebSocket that it follows.
        changes: The tables that it follows.
        kinds: Of messages that are read; the others are left out. All are read without it.
        currency: What every value is turned into.
        contract: What must be at paths of an event.
    """

    name: str
    event: EventPaths
    sse: Sse | None = None
    websocket: WebSocket | None = None
    changes: Changes | None = None
    kinds: tuple[str, ...] = ()
    currency: Exchange | None = None
    contract: tuple[PathRule, ...] = ()

    def places(self) -> list[Sse | WebSocket | Changes]:
        """Where it is: one place, once it is checked."""
        return [one for one in (self.sse, self.websocket, self.changes) if one is not None]

    def reader(self) -> MappedEvents:
        """What reads its messages.

        Raises:
            InvalidArgument: Its rates can't be read.
        """
        rates = None if self.currency is None else read_rates(self.currency, self.name)
        return MappedEvents(self.name, self.event, rates, self.contract)


def find_declared(name: str, folder: Path | None) -> Declared:
    """The source of that name, of the folder.

    Raises:
        InvalidArgument: There is none, or its file can't be used.
    """
    places = [] if folder is None else [folder]
    return load_declared(find_file(name, places, "HOMING_FOLLOWS_FOLDER"))


def load_declared(path: Path) -> Declared:
    """The source that a TOML file describes.

    Raises:
        InvalidArgument: It can't be read, or describes none; names file, key, value and cure.
    """
    declared = parse_declared(read_text(path, PAGE), str(path))
    if declared.currency is None:
        return declared
    return msgspec.structs.replace(declared, currency=declared.currency.beside(path))


def parse_declared(text: str, name: str) -> Declared:
    """The source that a TOML text describes.

    Args:
        text: The TOML.
        name: Of the file, for messages.

    Raises:
        InvalidArgument: It describes none; names file, key, value and cure.
    """
    declared = parse_table(text, name, Declared, PAGE)
    check_source_name(declared.name, name)
    if len(declared.places()) != 1:
        cure = "give one of [sse], [websocket], [changes]"
        raise refused(name, "", declared.name, "not one place", cure)
    check_event_paths(declared.event, name)
    check_beside(declared.event, declared.currency, declared.contract, name)
    if declared.changes is None and declared.event.time is None:
        cure = "give the path of when it happened: what comes again must not be dated anew"
        raise refused(name, "event.time", None, "missing", cure)
    if declared.sse is not None:
        _check_sse(declared.sse, declared.event, name)
    if declared.websocket is not None:
        _check_websocket(declared.websocket, declared, name)
    if declared.changes is not None:
        check_changes(declared.changes, declared.event, name)
    return declared


def _check_sse(sse: Sse, event: EventPaths, name: str) -> None:
    _check_limits("sse", sse.silence, sse.most_bytes, name)
    if not sse.url.startswith(("https://", "http://")):
        raise refused(name, "sse.url", sse.url, "no address", "begin it with https:// or http://")
    if sse.envelope and _is_whose("id", event):
        cure = "give the path of the customer's id in the data"
        raise refused(name, "event.customer", event.customer, "would keep the customer's id", cure)


def _check_websocket(socket: WebSocket, declared: Declared, name: str) -> None:
    _check_limits("websocket", socket.silence, socket.most_bytes, name)
    if not socket.url.startswith(("wss://", "ws://")):
        cure = "begin it with wss:// or ws://"
        raise refused(name, "websocket.url", socket.url, "no address", cure)
    for key, path in (("cursor", socket.cursor), ("kind", socket.kind)):
        if path is not None and not is_path(path):
            cure = "write names with dots between, [0] for a place in a list, like meta.seq"
            raise refused(name, f"websocket.{key}", path, "not a path", cure)
    if declared.kinds and socket.kind is None:
        cure = "give the path of what says of which kind a message is"
        raise refused(name, "websocket.kind", None, "kinds are asked for", cure)
    if socket.cursor is not None and _is_whose(socket.cursor, declared.event):
        cure = "give the path of what counts messages"
        raise refused(name, "websocket.cursor", socket.cursor, "would keep the customer's id", cure)
    asked = CURSOR in socket.url or CURSOR in msgspec.json.encode(socket.subscribe).decode()
    if asked and (socket.cursor is None or socket.first is None):
        cure = "say where the position is, and where to begin"
        raise refused(name, "websocket.cursor, first", None, f"{CURSOR} is asked for", cure)


def _is_whose(position: str, event: EventPaths) -> bool:
    """Whether what is kept as it is, the position, would be a customer's outside id."""
    whose = (whole_path(path, event) for path in (*listed(event.customer), *listed(event.email)))
    return _INDEX.sub("", position.removeprefix("$.")) in {_INDEX.sub("", one) for one in whose}


def _check_limits(key: str, silence: float, most_bytes: int, name: str) -> None:
    if not 0 < silence < float("inf"):
        raise refused(name, f"{key}.silence", silence, "no time", "give seconds above 0")
    if most_bytes < 1:
        raise refused(name, f"{key}.most_bytes", most_bytes, "too small", "give 1 or more")
