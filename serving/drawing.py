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
"""Blocks and sends with what is said of a whole slate, and static items, that stay encoded."""


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
        b'{"slate":"%b","customer":"%b' % (choice.slate.encode(), ask.customer.encode()),
        _said(ask.block, ask.send, choice.served_by, choice.reason, choice.model),
        b'%d,"items":[' % len(shown),
    ]
    for opening, ((head, tail), pick) in zip(_OPENINGS, shown, strict=False):
        because = b"null" if pick.because is None else _encode(pick.because)
        end = b',"moved":' + _encode(pick.moved) + b"}" if ask.explain else b"}"
        parts += (opening, head, because, tail, end)
    parts.append(b"]}")
    return b"".join(parts)


@lru_cache(NAMES)
def _said(
    block: str, send: str | None, served_by: str, reason: str | None, model: str | None
) -> bytes:
    """What stands between a customer and the count: the same in very many answers."""
    fields = {"block": block, "send": send, "served_by": served_by, "reason": reason}
    return b'",%b,"count":' % _encode({**fields, "model": model})[1:-1]


_statics: dict[int, tuple[Item, Drawn]] = {}


def draw_static(item: Item) -> Drawn:
    """A block's static item, encoded once."""
    known = _statics.get(id(item))
    if known is None or known[0] is not item:
        if len(_statics) >= NAMES:  # of blocks that were replaced long since
            _statics.clear()
        known = _statics[id(item)] = item, draw_item(item)
    return known[1]
