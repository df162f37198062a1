"""API keys: who may ask what.

A key is `hk_<id>_<secret>`. Only SHA-256 of the secret is kept: it is 256 random bits, so a slow
password hash would add nothing (NIST SP 800-63B, 5.1.2). The signing key of URLs is derived from
the secret (HMAC-SHA256), and kept as it is, because whoever checks a MAC must know its key.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import math
import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import msgspec

from features.clock import Clock
from features.errors import UNDECODABLE, InvalidArgument, SettingsError
from serving.files import write_atomically

_SIGNING_LABEL = b"homing signed url 1"
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
        look_seconds: How often it is looked at whether the file has changed; always with 0.
    """

    def __init__(self, path: Path, clock: Clock, look_seconds: float = 0.0) -> None:
        self._path = path
        self._every = look_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._looked = -math.inf
        self._keys: dict[str, ApiKey] = {}

    def create(self, label: str, scopes: Iterable[str]) -> CreatedKey:
        """Make and keep a new key.

        Raises:
            InvalidArgument: A scope is not known, or there is none.
            SettingsError: The file can't be read or written.
        """
        wanted = _scopes(scopes)
        secret = secrets.token_hex(32)
        key_id = secrets.token_hex(6)
        token = f"hk_{key_id}_{secret}"
        key = ApiKey(
            id=key_id,
            label=label,
            scopes=wanted,
            hashed=_hashed(secret),
            signing=signing_key(token),
            created_at=self._clock.now().isoformat(timespec="seconds"),
        )
        with self._lock, self._alone():
            self._write({**self._read(), key_id: key})
        return CreatedKey(key=key, token=token, signing_key=key.signing)

    def all(self) -> list[ApiKey]:
        """All keys, in the order of their making.

        Raises:
            SettingsError: The file can't be read.
        """
        with self._lock:
            return list(self._fresh().values())

    def revoke(self, key_id: str) -> bool:
        """Forget a key; whether there was one.

        Raises:
            SettingsError: The file can't be read or written.
        """
        with self._lock, self._alone():
            keys = dict(self._read())
            found = keys.pop(key_id, None) is not None
            if found:
                self._write(keys)
        return found

    def find(self, key_id: str) -> ApiKey | None:
        """The key of that id; a file that can't be read leaves the keys that were known."""
        with self._lock:
            try:
                known = self._fresh().get(key_id)
                if known is None and self._every:
                    # Made since the last look, perhaps: nobody waits for a new key to be one.
                    self._looked = -math.inf
                    known = self._fresh().get(key_id)
            except SettingsError:
                return self._keys.get(key_id)
            return known

    def check(self, token: str) -> ApiKey | None:
        """The key that this token is, compared in constant time; None when it is none."""
        prefix, _, rest = token.partition("_")
        key_id, _, secret = rest.partition("_")
        key = self.find(key_id) if prefix == "hk" else None
        expected = _ABSENT if key is None else key.hashed
        same = hmac.compare_digest(_hashed(secret), expected)
        return key if same and secret else None

    def _fresh(self) -> dict[str, ApiKey]:
        now = time.monotonic()
        if now < self._looked + self._every:
            return self._keys
        try:
            found = os.stat(self._path)  # noqa: PTH116 - a third of the time of Path.stat
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError:
            # Without the file nobody gets in: that is what removing it means.
            self._keys, self._stamp = {}, None
            return self._keys
        if stamp != self._stamp:
            self._keys, self._stamp = self._read(), stamp
        self._looked = now
        return self._keys

    def _read(self) -> dict[str, ApiKey]:
        try:
            keys = msgspec.json.decode(self._path.read_bytes(), type=list[ApiKey])
        except FileNotFoundError:
            return {}
        except (OSError, *UNDECODABLE) as error:
            message = f"key file {self._path} can't be read: {error}; restore it or remove it"
            raise SettingsError(message) from error
        return {key.id: key for key in keys}

    def _write(self, keys: dict[str, ApiKey]) -> None:
        body = msgspec.json.format(msgspec.json.encode(list(keys.values())), indent=2)
        try:
            write_atomically(self._path, body)
        except OSError as error:
            message = f"key file {self._path} can't be written: {error.strerror}; see to its folder"
            raise SettingsError(message) from error
        self._looked = -math.inf

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two commands at the same time change the file one after the other."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.with_suffix(".lock").open("ab") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield
        except OSError as error:
            message = f"key file {self._path} can't be locked: {error.strerror}; see to its folder"
            raise SettingsError(message) from error


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _scopes(names: Iterable[str]) -> tuple[Scope, ...]:
    wanted = tuple(dict.fromkeys(names))
    known = [scope.value for scope in Scope]
    for name in wanted or ("",):
        if name not in known:
            reason, cure = "not a scope", f"choose among {', '.join(known)}"
            raise InvalidArgument.of(name, field="scope", reason=reason, cure=cure)
    return tuple(Scope(name) for name in wanted)
