"""Server-sent events as bytes: cut into blocks that end with an empty line, none of them too long.

What a block means is httpx-sse's to tell; it reads lines without a limit, and so is given whole
blocks only (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LONGEST_END: Final = 4


class Block(NamedTuple):
    """Some bytes of a feed.

    Attributes:
        content: A block with its end; of one that is too long as much as may be held.
        cut: Whether it is too long.
    """

    content: bytes
    cut: bool = False


class Blocks:
    """Cuts what comes into blocks, and holds no more than one and what came last.

    Args:
        most_bytes: Of a block.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._held = bytearray()
        self._begun = False
        self._looked = 0
        self._skipping = False

    def add(self, chunk: bytes) -> Iterator[Block]:
        """The blocks that are whole with this chunk."""
        self._held += chunk
        if not self._begun:
            if len(self._held) < len(codecs.BOM_UTF8) and codecs.BOM_UTF8.startswith(self._held):
                return
            if self._held.startswith(codecs.BOM_UTF8):
                del self._held[: len(codecs.BOM_UTF8)]
            self._begun = True
        begin = 0
        for end in _END.finditer(self._held, max(0, self._looked - _LONGEST_END + 1)):
            yield from self._block(begin, end.end())
            begin = end.end()
        del self._held[:begin]
        if len(self._held) > self._most:
            # The end is still to come: what is needed to know it by stays.
            if not self._skipping:
                yield Block(bytes(self._held[: self._most]), cut=True)
            self._skipping = True
            del self._held[: -(_LONGEST_END - 1)]
        self._looked = len(self._held)

    def _block(self, begin: int, end: int) -> Iterator[Block]:
        if self._skipping:
            self._skipping = False
        elif end - begin > self._most:
            yield Block(bytes(self._held[begin : begin + self._most]), cut=True)
        else:
            yield Block(bytes(self._held[begin:end]))
