"""Folders of processes that were killed, and of those that still run."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from features.scratch import scratch_folder

KILLED = """
import os, sys
from pathlib import Path
from features.scratch import scratch_folder

with scratch_folder(Path(sys.argv[1]), ".work-") as folder:
    (folder / "half").touch()
    os.kill(os.getpid(), 9)
"""


def names(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


def test_a_folder_is_gone_when_its_work_is_done(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, ".work-") as folder:
        (folder / "deep").mkdir()
        assert names(tmp_path) == {folder.name}
    assert names(tmp_path) == set()
    message = "the work failed"
    with pytest.raises(RuntimeError, match=message), scratch_folder(tmp_path, ".work-"):
        raise RuntimeError(message)
    assert names(tmp_path) == set()


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)  # noqa: S603 - ourselves
    assert done.returncode == -9
    (left,) = names(tmp_path)
    with scratch_folder(tmp_path, ".work-") as folder:
        assert names(tmp_path) == {folder.name} != {left}


def test_what_others_work_in_stays(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, ".work-") as first, scratch_folder(tmp_path, ".work-") as second:
        assert names(tmp_path) == {first.name, second.name}


def test_only_folders_of_that_name_are_removed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").touch()
    (tmp_path / ".work-file").touch()
    (tmp_path / ".work-link").symlink_to(tmp_path / "elsewhere")
    with scratch_folder(tmp_path, ".work-"):
        pass
    assert names(tmp_path) == {"elsewhere", ".work-file", ".work-link"}
    assert names(tmp_path / "elsewhere") == {"precious"}


def test_a_disk_without_locks_keeps_what_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    (tmp_path / ".work-old").mkdir()
    with scratch_folder(tmp_path, ".work-") as folder:
        assert names(tmp_path) == {".work-old", folder.name}
    assert names(tmp_path) == {".work-old"}


def test_a_disk_that_refuses_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), scratch_folder(tmp_path / "nowhere", ".work-"):
        pass
