"""A layer between SQLite and its file system that lets everything through and writes it down.

The SQLite that Python's own `sqlite3` uses gets it by its C interface, so that code, journal mode
and settings are those of the service. Files of shared memory (`-shm`) are not seen: no power cut
leaves one that SQLite would believe.
See <https://www.sqlite.org/c3ref/vfs.html>, <https://www.sqlite.org/c3ref/io_methods.html> and
<https://www.sqlite.org/atomiccommit.html>.
"""

from __future__ import annotations

import _sqlite3
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any, Final

from tests.faults.intake.forgetful import Change, Journal, Kind

NAME: Final = b"forgetful"
OK: Final = 0
SYNCS_FOLDER: Final = 0x00000800 | 0x00080000
"""`SQLITE_OPEN_MAIN_JOURNAL` and `SQLITE_OPEN_WAL`: of a new one SQLite syncs the folder too, with
the first sync of the file."""

_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
_DELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)


class _Vfs(Structure):
    """`sqlite3_vfs`, version 3."""

    _fields_ = (
        ("version", c_int),
        ("file_size", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", c_void_p),
        ("delete", c_void_p),
        ("others", c_void_p * 14),
    )


class _Methods(Structure):
    """`sqlite3_io_methods`, version 3."""

    _fields_ = (
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", c_void_p),
        ("truncate", c_void_p),
        ("sync", c_void_p),
        ("others", c_void_p * 13),
    )


class _Layer:
    """The layer, for the files of one folder.

    Args:
        below: What SQLite uses otherwise.
        folder: Whose files are written down.
        journal: Where.
    """

    def __init__(self, below: _Vfs, folder: Path, journal: Journal) -> None:
        self._folder = f"{folder}/"
        self._journal = journal
        self._paths: dict[int, str] = {}  # of open files, by their address
        self._new: set[int] = set()  # whose first sync is also one of the folder
        self._known: set[str] = set()
        self._open_below = _OPEN(below.open)
        self._delete_below = _DELETE(below.delete)
        self._methods: dict[int, _Methods] = {}
        self._kept: list[Any] = []  # what C points at
        self.vfs = _Vfs.from_buffer_copy(below)
        self.vfs.name = NAME
        self.vfs.open = self._pointer(_OPEN(self.open))
        self.vfs.delete = self._pointer(_DELETE(self.delete))

    def open(self, vfs: int, name: int | None, file: int, flags: int, out: Any) -> int:  # noqa: ANN401 - a pointer
        path = "" if name is None else c_char_p(name).value.decode()  # type: ignore[union-attr] # not NULL
        status: int = self._open_below(vfs, name, file, flags, out)
        if status == OK and path.startswith(self._folder):
            if path not in self._known:
                self._known.add(path)
                self._journal.add(Change(Kind.MADE, path))
                if flags & SYNCS_FOLDER:
                    self._new.add(file)
            self._paths[file] = path
            methods = c_void_p.from_address(file)
            methods.value = self._layered(methods.value or 0)
        return status

    def delete(self, vfs: int, name: bytes, sync_folder: int) -> int:
        path = name.decode()
        status: int = self._delete_below(vfs, name, sync_folder)
        if status == OK and path in self._known:
            self._known.remove(path)
            self._journal.add(Change(Kind.DELETED, path))
            if sync_folder:
                self._journal.add(Change(Kind.NAMES_SYNCED, path))
        return status

    def _layered(self, below: int) -> int:
        """Where the methods lie that write down what those below do."""
        if below not in self._methods:
            theirs = _Methods.from_address(below)
            ours = _Methods.from_buffer_copy(theirs)
            ours.write = self._pointer(self._write(_WRITE(theirs.write)))
            ours.truncate = self._pointer(self._truncate(_TRUNCATE(theirs.truncate)))
            ours.sync = self._pointer(self._sync(_SYNC(theirs.sync)))
            self._methods[below] = ours
        return ctypes.addressof(self._methods[below])

    def _write(self, below: Any) -> Any:  # noqa: ANN401 - functions of C
        def write(file: int, data: int, count: int, offset: int) -> int:
            status: int = below(file, data, count, offset)
            if status == OK:
                written = ctypes.string_at(data, count)
                self._journal.add(Change(Kind.WRITTEN, self._paths[file], offset, written))
            return status

        return _WRITE(write)

    def _truncate(self, below: Any) -> Any:  # noqa: ANN401 - functions of C
        def truncate(file: int, size: int) -> int:
            status: int = below(file, size)
            if status == OK:
                self._journal.add(Change(Kind.RESIZED, self._paths[file], size))
            return status

        return _TRUNCATE(truncate)

    def _sync(self, below: Any) -> Any:  # noqa: ANN401 - functions of C
        def sync(file: int, flags: int) -> int:
            began = self._journal.now()
            status: int = below(file, flags)
            if status == OK:
                self._journal.add(Change(Kind.SYNCED, self._paths[file], began))
                if file in self._new:
                    self._new.remove(file)
                    self._journal.add(Change(Kind.NAMES_SYNCED, self._paths[file]))
            return status

        return _SYNC(sync)

    def _pointer(self, function: Any) -> int | None:  # noqa: ANN401 - a function of C
        self._kept.append(function)
        return ctypes.cast(function, c_void_p).value


@contextmanager
def written_down(folder: Path) -> Iterator[Journal]:
    """Write down what SQLite does to the files of a folder that are opened from now on."""
    library = ctypes.CDLL(_sqlite3.__file__)
    library.sqlite3_vfs_find.restype = POINTER(_Vfs)
    default = library.sqlite3_vfs_find(None)
    journal = Journal()
    layer = _Layer(default.contents, folder, journal)
    vfs = ctypes.byref(layer.vfs)
    library.sqlite3_vfs_register(vfs, 1)
    try:
        yield journal
    finally:
        library.sqlite3_vfs_register(default, 1)
        library.sqlite3_vfs_unregister(vfs)
