"""Who may ask: Bearer, Basic and signed URLs."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable

from starlette.types import Scope as HttpScope

from features.clock import Clock
from features.errors import Forbidden, Unauthenticated
from serving.keys import ApiKey, KeyFile, Scope
from serving.signing import check_signed, is_signed

MAX_HEADER = 1_000
"""Characters of an Authorization header that are looked at."""


class Gate:
    """Lets in who has a key with the scope.

    Args:
        keys: The keys there are.
        clock: Tells which signed URLs have expired.
        required: False lets everybody in; for a machine that nobody else can reach.
    """

    def __init__(self, keys: KeyFile, clock: Clock, *, required: bool) -> None:
        self._keys = keys
        self._clock = clock
        self._required = required
        # The key of the last caller, by all that it showed: one who sends mails comes very often.
        self._last: tuple[bytes, ApiKey] | None = None

    def admit(self, request: HttpScope, scope: Scope) -> None:
        """Return if the caller may.

        Args:
            request: What ASGI tells of the request.
            scope: What the caller wants to do.

        Raises:
            Unauthenticated: There is no key, or none that is known.
            Forbidden: The key lacks the scope.
        """
        if not self._required:
            return
        key = self._identify(request)
        if not key.allows(scope):
            message = (
                f"key {key.id} lacks the scope `{scope}`: make one that has it with "
                f"`homing key create --scope {scope}`"
            )
            raise Forbidden(message)

    def _identify(self, request: HttpScope) -> ApiKey:
        header = _authorization(request["headers"])
        if header is None:
            query: bytes = request.get("query_string", b"")
            if request.get("method") in {"GET", "HEAD"} and is_signed(query):
                path: str = request["path"]
                return check_signed(path, query, self._keys, self._clock.now())
            message = "no key: send `Authorization: Bearer hk_…`, Basic, or sign the URL"
            raise Unauthenticated(message)
        last = self._last
        if (
            last is not None
            and hmac.compare_digest(header, last[0])
            and self._keys.find(last[1].id) is last[1]
        ):
            return last[1]
        key = self._keys.check(_token(header[:MAX_HEADER].decode("latin-1")))
        if key is None:
            message = "this key is not known: `homing key list` shows those there are"
            raise Unauthenticated(message)
        self._last = header, key
        return key


def _authorization(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The header that may hold a key; names are in lower case, as ASGI has them."""
    for name, value in headers:
        if name == b"authorization":
            return value
    return None


def _token(header: str) -> str:
    """The API key in an Authorization header; Basic has it as the password."""
    kind, _, value = header.partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            decoded = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, ValueError) as error:
            message = "the Basic credentials can't be read: send base64 of `user:KEY`"
            raise Unauthenticated(message) from error
        return decoded.partition(":")[2]
    message = "this kind of Authorization is not known: send Bearer or Basic"
    raise Unauthenticated(message)
