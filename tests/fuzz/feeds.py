"""Feeds that are followed: their files, and what comes over them."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from functools import partial

import msgspec

from homing.follow.blocks import Blocks
from homing.follow.declared import WebSocket, parse_declared
from homing.follow.frames import Frames
from homing.follow.rows import Rows
from homing.follow.sse import _events
from tests.fuzz.message import parted
from tests.fuzz.target import Target
from tests.unit.homing.follow.test_declared import SOCKET, SSE, text
from tests.unit.homing.follow.test_rows import ROW, envelope, rows
from tests.unit.homing.follow.test_tables import FILE

MOST = 400
"""Bytes of a block."""
_SOCKET = WebSocket(
    url="wss://shop.example/{cursor}",
    subscribe=({"after": "{cursor}"}, '{"go": {cursor}}'),
    cursor="seq",
    kind="a.kind",
    first=0,
)


def _file(written: bytes) -> None:
    parse_declared(written.decode("utf-8", "replace"), "fuzz.toml")


def _blocks(feed: bytes) -> None:
    blocks = Blocks(MOST)
    found = [one for at in range(0, len(feed), 7) for one in blocks.add(feed[at : at + 7])]
    assert all(len(one.content) <= MOST for one in found)
    if not any(one.cut for one in found):
        assert feed.removeprefix(BOM_UTF8).startswith(b"".join(one.content for one in found))
    for one in found:
        for event in _events(one.content):
            assert event.data.encode() is not None


def _frames(frames: Frames, piece: bytes) -> None:
    place, body = parted(piece)
    message = frames.message(body)
    for position in (message.position, place.decode("utf-8", "replace")):
        assert frames.url(position)
        assert all(map(msgspec.json.decode, frames.subscriptions(position)[:1]))


def _changes(reader: Rows, envelope: bytes) -> None:
    message = reader.message(envelope)
    if message is not None and message.kind:
        assert isinstance(json.loads(message.body), dict)


def targets() -> list[Target]:
    """All of them."""
    unset: dict[str, str] = {}
    frames = Frames(_SOCKET, unset.__getitem__)
    event = b'id: 7\nevent: sold\ndata: {"sku": "lamp"}\ndata: 2\n\n: hush\r\n\r\nretry: 3\n\n'
    told = {"seq": 7, "a": {"kind": "sold"}, "sku": "lamp"}
    changes = [envelope("c", None, ROW), envelope("u", ROW, {**ROW, "status": "refunded"})]
    return [
        Target("feed: file", _file, [one.encode() for one in (text(SSE), text(SOCKET), FILE)]),
        Target("feed: events", _blocks, [event, b"\xef\xbb\xbf" + event]),
        Target("feed: frames", partial(_frames, frames), [json.dumps(told).encode()]),
        Target("feed: changes", partial(_changes, rows()), [*changes, envelope("d", ROW)]),
    ]
