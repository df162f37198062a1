"""Answers as JSON bytes, put together from pieces that were encoded before anybody asked.

What comes out is byte for byte what msgspec makes of a `serving.slate.Slate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from features.item import Item
from serving.packed import Drawn, draw_item
from serving.ranking.blocks import MAX_SIZE
from serving.slate import Ask, Choice, Pick

_encode = msgspec.json.Encoder().encode
_OPENINGS: Final = tuple(
    (b"" if position == 1 else b",") + b'{"position":%d,' % position
    for position in range(1, MAX_SIZE + 1)
)
"""What stands before each item."""
NAMES: Final = 1_024
"""Names of blocks, sends, models and reasons whose encoding is remembered."""


Shown = tuple[Drawn, Pick]
"""An item that an answer shows, and what is said of it."""


def encode_slate(ask: Ask, choice: Choice, shown: Sequence[Shown]) -> bytes:
    """An answer as it is sent.

    Args:
        ask: What was asked.
        choice: What was chosen.
        shown: The items in their order, at most `serving.ranking.blocks.MAX_SIZE`.
    """
    parts = [
        b'{"slate":"',
        choice.slate.encode(),
        b'","customer":"',
        ask.customer.encode(),
        b'","block":',
        _name(ask.block),
        b',"send":',
        _name(ask.send),
        b',"served_by":"',
        choice.served_by.encode(),
        b'","reason":',
        _name(choice.reason),
        b',"model":',
        _name(choice.model),
        b',"count":%d,"items":[' % len(shown),
    ]
    for opening, ((head, tail), pick) in zip(_OPENINGS, shown, strict=False):
        because = b"null" if pick.because is None else _encode(pick.because)
        end = b',"moved":' + _encode(pick.moved) + b"}" if ask.explain else b"}"
        parts += (opening, head, because, tail, end)
    parts.append(b"]}")
    return b"".join(parts)


@lru_cache(NAMES)
def _name(text: str | None) -> bytes:
    return _encode(text)


_statics: dict[int, tuple[Item, Drawn]] = {}


def draw_static(item: Item) -> Drawn:
    """A block's static item, encoded once."""
    known = _statics.get(id(item))
    if known is None or known[0] is not item:
        if len(_statics) >= NAMES:  # of blocks that were replaced long since
            _statics.clear()
        known = _statics[id(item)] = item, draw_item(item)
    return known[1]
