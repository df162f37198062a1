"""API keys: who may ask what.

A key is `hk_<id>_<secret>`. Only SHA-256 of the secret is kept: it is 256 random bits, so a slow
password hash would add nothing (NIST SP 800-63B, 5.1.2). The signing key of URLs is derived from
the secret (HMAC-SHA256), and kept as it is, because whoever checks a MAC must know its key.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
import threading
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import msgspec

from features.clock import Clock
from features.errors import InvalidArgument, SettingsError

_SIGNING_LABEL = b"homing signed url 1"
_PARTS = 3
_ABSENT = hashlib.sha256(b"").hexdigest()


class Scope(StrEnum):
    """What a key may do."""

    RECOMMEND = "recommend"
    EVENTS = "events"
    CATALOGUE = "catalogue"
    ADMIN = "admin"


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is kept: enough to recognise it, too little to use it.

    Attributes:
        id: Its public name.
        label: What its owner calls it.
        scopes: What it may do; `admin` may do all.
        hashed: SHA-256 of the secret, hex.
        signing: Key of signed URLs, hex.
        created_at: ISO 8601, UTC.
    """

    id: str
    label: str
    scopes: tuple[Scope, ...]
    hashed: str
    signing: str
    created_at: str

    def allows(self, scope: Scope) -> bool:
        """Whether it may do that."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


class CreatedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new key, shown once.

    Attributes:
        key: What is kept.
        token: What the caller sends: `hk_<id>_<secret>`.
        signing_key: What a template signs URLs with, hex.
    """

    key: ApiKey
    token: str
    signing_key: str


def signing_key(token: str) -> str:
    """The key that signs URLs in the name of this API key, hex."""
    secret = token.rpartition("_")[2]
    return hmac.new(secret.encode(), _SIGNING_LABEL, hashlib.sha256).hexdigest()


class KeyFile:
    """The keys of a shop in one JSON file, readable by its owner alone.

    Every process reads it again when it has changed, so that a key that is revoked stops working
    without a restart.

    Args:
        path: The file; it need not exist yet.
        clock: Dates new keys.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._keys: dict[str, ApiKey] = {}

    def create(self, label: str, scopes: Iterable[str]) -> CreatedKey:
        """Make and keep a new key.

        Raises:
            InvalidArgument: A scope is not known, or there is none.
            SettingsError: The file can't be written.
        """
        raise NotImplementedError

    def list(self) -> list[ApiKey]:
        """All keys, the oldest first."""
        raise NotImplementedError

    def revoke(self, key_id: str) -> bool:
        """Forget a key; whether there was one."""
        raise NotImplementedError

    def find(self, key_id: str) -> ApiKey | None:
        """The key of that id."""
        raise NotImplementedError

    def check(self, token: str) -> ApiKey | None:
        """The key that this token is, compared in constant time; None when it is none."""
        raise NotImplementedError
