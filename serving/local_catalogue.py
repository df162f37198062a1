"""The catalogue on local disk: for a start without the store, and for all workers at once.

Each content is a folder of arrays named for it (`serving.model.folder`), written once by whoever
reads it first and memory-mapped by all: its pages are in memory once. `current.json` names the
newest.
"""

from __future__ import annotations

import fcntl
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec
import structlog

from features.errors import UNDECODABLE, BundleError
from serving.catalogue import CatalogueCopy, copy_of
from serving.files import write_atomically
from serving.model.arrays import read_arrays
from serving.model.folder import write_folder
from serving.model.manifest import MANIFEST_FILE, ArrayFile
from serving.packed import Items, Packed

FORMAT: Final = 2
"""The version of the arrays that this code writes and reads."""
KEPT: Final = 2
"""Contents on disk: the newest and the one before, which others may be about to map."""
NOT_READ: Final = -1
"""The version of a copy of which the store has not been asked; no catalogue's own."""
_log = structlog.get_logger(__name__)


class _Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder says of itself.

    Attributes:
        format: `FORMAT`.
        digest: `items_digest` of the items.
        shelves: Shelf name → ids of its items.
        arrays: Array name → its file.
    """

    format: int = FORMAT
    digest: int
    shelves: dict[str, tuple[str, ...]]
    arrays: dict[str, ArrayFile] = {}


class _Newest(msgspec.Struct, frozen=True):
    """Which content is the newest.

    Attributes:
        folder: Its name.
        version: The catalogue's own number when it was read.
        run: Who read it. Another run's number may be that of another store.
    """

    folder: str
    version: int
    run: str


class LocalCatalogue:
    """Copies of the catalogue on local disk, shared by the processes that this object is forked to.

    Args:
        folder: Of all contents.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pointer = folder / "current.json"
        self._run = secrets.token_hex(8)

    def load(self) -> CatalogueCopy | None:
        """The newest copy, of whatever version the store has now; None when none can be read."""
        newest = self._newest()
        return None if newest is None else self._read(newest.folder, NOT_READ)

    def shared(self, version: int) -> CatalogueCopy | None:
        """The copy of this version that another process of this run has written, if one has."""
        newest = self._newest()
        if newest is None or (newest.version, newest.run) != (version, self._run):
            return None
        return self._read(newest.folder, version)

    def keep(self, copy: CatalogueCopy) -> CatalogueCopy:
        """Write a copy, and give the same memory-mapped; the copy itself when it can't be kept."""
        manifest = _Manifest(digest=copy.digest, shelves=copy.shelf_items())
        name = _name(manifest)
        try:
            if not (self._folder / name).exists():
                arrays = copy.items.packed.arrays
                write_folder(self._folder / name, manifest, arrays, "catalogue")
            mapped = self._read(name, copy.version)
            if mapped is None:
                return copy
            newest = _Newest(name, copy.version, self._run)
            write_atomically(self._pointer, msgspec.json.encode(newest))
            self._prune(name)
        except (OSError, BundleError) as error:
            _log.warning("catalogue not kept on disk", path=str(self._folder), error=str(error))
            return copy
        return mapped

    @contextmanager
    def turn(self, *, wait: bool) -> Iterator[bool]:
        """One process reads the store at a time; whether it is this one's turn.

        Args:
            wait: Wait for the others rather than go without.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle = (self._folder / ".lock").open("ab")
        except OSError:
            # Nothing can be shared on this disk.
            yield True
            return
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def _newest(self) -> _Newest | None:
        try:
            return msgspec.json.decode(self._pointer.read_bytes(), type=_Newest)
        except (OSError, *UNDECODABLE):
            return None

    def _read(self, name: str, version: int) -> CatalogueCopy | None:
        """A content that is whole; one that is not is dropped, so that it is made anew."""
        folder = self._folder / Path(name).name
        try:
            manifest = _manifest_of(folder)
            if manifest.format != FORMAT:
                return None
            packed = Packed(read_arrays(folder, manifest.arrays))
            return copy_of(version, Items(packed, manifest.digest), manifest.shelves)
        except (OSError, *UNDECODABLE, BundleError, KeyError) as error:
            _log.warning("catalogue on disk can't be used", path=str(folder), error=str(error))
            shutil.rmtree(folder, ignore_errors=True)
            return None

    def _prune(self, newest: str) -> None:
        """Drop what nobody starts from; who has mapped it keeps its pages."""
        folders = [path for path in self._folder.iterdir() if path.is_dir()]
        others = sorted(
            (path for path in folders if path.name != newest), key=lambda path: path.stat().st_mtime
        )
        for path in others[: max(0, len(others) - KEPT + 1)]:
            shutil.rmtree(path, ignore_errors=True)


def _manifest_of(folder: Path) -> _Manifest:
    manifest = msgspec.json.decode((folder / MANIFEST_FILE).read_bytes(), type=_Manifest)
    if manifest.format == FORMAT and _name(manifest) != folder.name:
        message = f"{folder / MANIFEST_FILE}: is not the one that was written"
        raise BundleError(message)
    return manifest


def _name(manifest: _Manifest) -> str:
    """The same for the same items on the same shelves."""
    told = msgspec.msgpack.encode(
        (manifest.format, manifest.digest, sorted(manifest.shelves.items()))
    )
    return blake2b(told, digest_size=16).hexdigest()
