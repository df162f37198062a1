r"""Signed URLs: a template that can't send headers shows in the URL that its key made it.

The signature is HMAC-SHA256 (RFC 2104), hex, over the text::

    GET\n<path>\n<query>

where the query has every parameter but `signature`, sorted by name and value, percent-encoded as
RFC 3986 has it (only letters, digits and `-._~` stand as they are), joined by `&`. It must name
the key's id as `key` and the last second of its validity as `expires` (since 1970).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from urllib.parse import parse_qsl, quote

from features.errors import Unauthenticated
from serving.keys import ApiKey, KeyFile

KEY, EXPIRES, SIGNATURE = "key", "expires", "signature"
MAX_AHEAD_SECONDS = 400 * 24 * 3_600
"""A mail may be opened a year after it was signed, and no URL is valid for ever."""
MAX_FIELDS = 100


def canonical(path: str, parameters: Iterable[tuple[str, str]]) -> str:
    """The text that is signed."""
    pairs = sorted(pair for pair in parameters if pair[0] != SIGNATURE)
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
    return f"GET\n{path}\n{query}"


def signature(key_hex: str, path: str, parameters: Iterable[tuple[str, str]]) -> str:
    """The signature, hex.

    Args:
        key_hex: What `serving.keys.signing_key` gave.
        path: Path of the URL.
        parameters: All parameters, `key` and `expires` among them.
    """
    text = canonical(path, parameters)
    return hmac.new(key_hex.encode(), text.encode(), hashlib.sha256).hexdigest()


def sign_url(
    path: str, parameters: dict[str, str], *, key: str, key_hex: str, expires: datetime
) -> str:
    """Path and query of a URL that is valid until then.

    Args:
        path: Like `/v1/recommendations`.
        parameters: What is asked.
        key: Id of the API key.
        key_hex: Its signing key.
        expires: Aware.
    """
    pairs = [*parameters.items(), (KEY, key), (EXPIRES, str(int(expires.timestamp())))]
    query = canonical(path, pairs).rpartition("\n")[2]
    return f"{path}?{query}&{SIGNATURE}={signature(key_hex, path, pairs)}"


def is_signed(query: bytes) -> bool:
    """Whether a query claims to be signed."""
    return b"signature=" in query


def check_signed(path: str, query: bytes, keys: KeyFile, now: datetime) -> ApiKey:
    """The key that signed a GET.

    Raises:
        Unauthenticated: The signature is wrong, expired or made by no known key.
    """
    try:
        text = query.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:  # UnicodeDecodeError is one, too
        message = "the signed URL can't be read: percent-encode its query as UTF-8"
        raise Unauthenticated(message) from error
    values = dict(pairs)
    if len(values) != len(pairs):
        message = "the signed URL repeats a parameter: name each once"
        raise Unauthenticated(message)
    key = keys.find(values.get(KEY, ""))
    expected = signature("" if key is None else key.signing, path, pairs)
    given = values.get(SIGNATURE, "")
    same = hmac.compare_digest(expected.encode(), given.encode())
    if key is None or not same:
        message = "the URL's signature fits no known key: sign path and sorted query again"
        raise Unauthenticated(message)
    _check_expiry(values.get(EXPIRES, ""), now)
    return key


def _check_expiry(text: str, now: datetime) -> None:
    if not (text.isascii() and text.isdigit() and len(text) < 12):  # noqa: PLR2004 - year 5138
        message = "the signed URL has no usable `expires`: give seconds since 1970"
        raise Unauthenticated(message)
    ahead = int(text) - now.timestamp()
    if ahead < 0:
        message = "the signed URL has expired: sign it again"
        raise Unauthenticated(message)
    if ahead > MAX_AHEAD_SECONDS:
        message = "the signed URL is valid for too long: expire it within 400 days"
        raise Unauthenticated(message)
