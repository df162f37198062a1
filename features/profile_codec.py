"""Profiles as stores keep them: each half as MessagePack, a history with digests of what it says.

Whether a stored slate is still the model's own answer is asked by every mail that is opened, and a
history is written once in the meantime: so it is taken apart when it is written, and its digests
stand before it, as the first field, where they are read without a look at the rest.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from features.profile import History, Published

_DIGEST_BYTES: Final = 8
_NOTHING: Final = bytes(_DIGEST_BYTES)
_EMPTY_MAP: Final = 0x80
_FIELD: Final = b"\xa6digest\xc4" + bytes([2 * _DIGEST_BYTES])
"""MessagePack of the field's name, and of what follows: so many bytes."""
_BEGIN: Final = 1 + len(_FIELD)
"""Where the digests stand: behind the map's first byte, which counts its fields, and this name."""
_END: Final = _BEGIN + 2 * _DIGEST_BYTES
_NIL: Final = msgspec.Raw(b"\xc0")
"""What an encoded history leaves out."""


class _Parts(msgspec.Struct, frozen=True, gc=False):
    """An encoded history, taken apart as far as ranking reads it: bytes, not decoded."""

    interactions: msgspec.Raw = _NIL
    bought: msgspec.Raw = _NIL
    returned: msgspec.Raw = _NIL
    exposures: msgspec.Raw = _NIL


_parts_decoder = msgspec.msgpack.Decoder(_Parts)
_history_decoder = msgspec.msgpack.Decoder(History)
_published_decoder = msgspec.msgpack.Decoder(Published)
_encoder = msgspec.msgpack.Encoder()


def encode(half: History | Published) -> bytes:
    """A half of a profile as a store keeps it (MessagePack)."""
    body = _encoder.encode(half)
    # The fields of a history are few enough to be counted in its first byte.
    if isinstance(half, Published) or body[0] == _EMPTY_MAP:
        return body
    return b"".join((bytes([body[0] + 1]), _FIELD, _digests(body), body[1:]))


def decode_history(stored: bytes | None) -> History:
    """The history that a store kept; the empty one for None.

    Raises:
        UNDECODABLE: The bytes are none.
    """
    return History() if stored is None else _history_decoder.decode(stored)


def decode_published(stored: bytes | None) -> Published:
    """What the pipeline had written; the empty one for None.

    Raises:
        UNDECODABLE: The bytes are none.
    """
    return Published() if stored is None else _published_decoder.decode(stored)


def history_digest(stored: bytes | None) -> int:
    """64 bits that tell what a customer did, as ranking reads it, from all else; 0 for nothing.

    Neither that a slate was shown nor the life of a mail changes it.

    Args:
        stored: An encoded history; it is looked at, not decoded.

    Raises:
        UNDECODABLE: The bytes are none.
    """
    return 0 if stored is None else int.from_bytes(_told(stored)[:_DIGEST_BYTES], "big")


def exposed_digest(stored: bytes | None) -> int:
    """The same, and of what was shown to the customer: what a block that rotates reads.

    Args:
        stored: As `history_digest` takes it.

    Raises:
        UNDECODABLE: As `history_digest`.
    """
    return 0 if stored is None else int.from_bytes(_told(stored)[_DIGEST_BYTES:], "big")


def _told(stored: bytes) -> bytes:
    """The digests of an encoded history; computed where a version wrote it that kept none."""
    return stored[_BEGIN:_END] if stored.startswith(_FIELD, 1) else _digests(stored)


def _digests(body: bytes) -> bytes:
    """What `history_digest` and `exposed_digest` say of a history that was encoded without them.

    SHA-256, for which processors have instructions.
    """
    parts = _parts_decoder.decode(body)
    of_deeds = parts.interactions, parts.bought, parts.returned
    done = b"".join(of_deeds)
    # A part that is left out or empty is one byte.
    nothing_done, nothing_shown = len(done) <= len(of_deeds), len(parts.exposures) <= 1
    hashed = hashlib.sha256(done)
    history = _NOTHING if nothing_done else hashed.digest()[:_DIGEST_BYTES]
    hashed.update(parts.exposures)
    exposed = _NOTHING if nothing_done and nothing_shown else hashed.digest()[:_DIGEST_BYTES]
    return history + exposed
