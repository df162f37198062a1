"""Signatures that a public key checks, so that who serves holds nothing to sign with.

A source imports this only once it is given such a key: what does the arithmetic takes 7 MB and
15 ms of every process that loads it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

HasSigned = Callable[[bytes, bytes], bool]
"""Whether a signature, given first, is the key's of what is given second."""

_HASHED: Final = ECDSA(Prehashed(SHA256()))


def p256(der: bytes) -> HasSigned | None:
    """ECDSA on P-256 (FIPS 186-5) of a SHA-256, which is what it takes for the message.

    Args:
        der: The key's SubjectPublicKeyInfo (RFC 5480); None is returned for anything else.
    """
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        return None
    if not (isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)):
        return None
    return partial(_passes, lambda signature, digest: key.verify(signature, digest, _HASHED))


def ed25519(raw: bytes) -> HasSigned | None:
    """Ed25519 (RFC 8032).

    Args:
        raw: The key's 32 bytes; None is returned for anything else.
    """
    try:
        return partial(_passes, Ed25519PublicKey.from_public_bytes(raw).verify)
    except (ValueError, UnsupportedAlgorithm):
        return None


def _passes(verify: Callable[[bytes, bytes], None], signature: bytes, message: bytes) -> bool:
    try:
        verify(signature, message)
    except InvalidSignature:
        return False
    return True
