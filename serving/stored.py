"""Stored slates: what the pipeline published, and whether it is still the model's own answer.

A slate that was published is exactly what the model would answer now as long as nothing has changed
that it was made from: the customer's history, the catalogue, the bundle and the block's rules, and
no override concerns it. Then it is sent as it is. That time goes by makes no slate stale: events
fade alike.
"""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime
from typing import Final

import msgspec

from features.errors import UNDECODABLE
from features.profile import StoredSlate
from features.profile_codec import exposed_digest, history_digest
from serving.ranking.blocks import Block, block_digest
from serving.ranking.columns import microseconds
from serving.slate import Pick, because_of
from serving.snapshot import Snapshot

MICROSECONDS: Final = 1_000_000
"""In a second."""


class Publication(msgspec.Struct, frozen=True):
    """What answers read of a `features.profile.Published`; the rest is not even decoded.

    Slates are decoded one by one: an answer is of one block, and a customer has slates of several.
    """

    at: int = 0
    segment: str | None = None
    slates: dict[str, msgspec.Raw] = {}
    history: int = 0
    exposed: int = 0
    catalogue: int = 0
    blocks: dict[str, int] = {}


NOTHING = Publication()
_decoder = msgspec.msgpack.Decoder(Publication)
_slate_decoder = msgspec.msgpack.Decoder(StoredSlate)


def read_publication(published: bytes | None) -> Publication:
    """What was published, of a half as stores keep it; an empty one for None.

    Raises:
        UNDECODABLE: The bytes are none.
    """
    return NOTHING if published is None else _decoder.decode(published)


class Digests:
    """The digests of blocks' rules, computed once a block."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Block, int]] = {}

    def of(self, block: Block) -> int:
        """`serving.ranking.blocks.block_digest` of a block."""
        known = self._known.get(id(block))
        if known is None or known[0] is not block:
            known = self._known[id(block)] = block, block_digest(block)
        return known[1]


def current_slate(
    publication: Publication,
    history: bytes | None,
    snapshot: Snapshot,
    block: tuple[Block, int],
    now: datetime,
) -> StoredSlate | None:
    """The stored slate of a block when it is what the model would answer; else None.

    None also of one that can't be read: who then decodes the profile says what is wrong with it.

    Args:
        publication: What was published of the customer.
        history: The customer's history, as stores keep it.
        snapshot: Model, catalogue and overrides.
        block: A block and the digest of its rules.
        now: Aware.
    """
    rules, digest = block
    body = publication.slates.get(rules.name)
    model, copy = snapshot.model, snapshot.catalogue
    if body is None or model is None or copy is None or not publication.history:
        return None
    if publication.catalogue != copy.digest or publication.blocks.get(rules.name) != digest:
        return None
    if snapshot.overrides.concerns(rules.name, publication.segment, now):
        return None
    if copy.changed_between(publication.at * MICROSECONDS, microseconds(now)):
        return None
    try:
        if rules.rotation_days is None:
            unchanged = publication.history == history_digest(history)
        else:
            unchanged = publication.exposed == exposed_digest(history)
        stored = _slate_decoder.decode(body) if unchanged else None
    except UNDECODABLE:
        return None
    return stored if stored is not None and stored.model == model.name else None


def picks_of(stored: StoredSlate, block: Block, count: int, exclude: Set[str]) -> list[Pick] | None:
    """The first items of a stored slate as the model would answer them, without some.

    The model has said so many of them as there is something spoken of. Those that the block's rules
    chose were chosen together: they are all taken, or none.

    Args:
        stored: A slate.
        block: Its rules.
        count: How many are wanted.
        exclude: Items that must not come.

    Returns:
        None when the slate does not tell that many.
    """
    if exclude and block.rules and not exclude.isdisjoint(stored.items[: block.size]):
        return None
    picks: list[Pick] = []
    for item, spoken in zip(stored.items, stored.spoken, strict=False):
        if item not in exclude:
            because = None if spoken is None else because_of(spoken.type, spoken.item)
            picks.append(Pick(item, because))
            if len(picks) == count:
                return picks
    return None
