from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from features.errors import LakeUnavailable
from features.event import Event, EventType
from features.lake import Lake
from features.tables import event_table
from tests.unit.features.making import NOW


def event(name: str, days: int = 0) -> Event:
    at = NOW - timedelta(days=days)
    return Event(id=name, type=EventType.VIEW, customer="ck_" + "a" * 32, occurred_at=at, item="x")


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What was brought to the disk, in order."""
    paths: list[Path] = []
    sync = os.fsync

    def noted(number: int) -> None:
        sync(number)
        paths.append(Path(f"/proc/self/fd/{number}").readlink())

    monkeypatch.setattr(os, "fsync", noted)
    return paths


def entry(lake: Lake, version: int) -> Path:
    return Path(lake.path("events"), "_delta_log", f"{version:020d}.json")


def test_a_commit_is_on_the_disk_with_all_that_names_it(tmp_path: Path, synced: list[Path]) -> None:
    lake = Lake(str(tmp_path / "lake"))
    lake.merge_events(event_table([event("a"), event("b", days=1)]))
    files = [Path(file) for file in lake.files()]
    folders = {file.parent for file in files}
    assert len(folders) == 2
    table = tmp_path / "lake" / "events"
    assert {*files, *folders, table, table.parent, tmp_path, table / "_delta_log"} <= set(synced)
    assert entry(lake, 0) in synced
    # A name lasts as long as the folder does that has it.
    assert all(synced.index(file) < synced.index(file.parent) for file in files)
    assert synced[-1] == entry(lake, 0).parent


def test_each_commit_is_brought_to_the_disk_once(tmp_path: Path, synced: list[Path]) -> None:
    lake = Lake(str(tmp_path / "lake"))
    lake.merge_events(event_table([event("a")]))
    before = len(synced)
    lake.merge_events(event_table([event("a")]))
    assert len(synced) == before
    lake.merge_events(event_table([event("b")]))
    assert entry(lake, 1) in synced[before:]
    assert entry(lake, 0) not in synced[before:]


def test_what_a_writer_left_that_died_is_brought_to_the_disk_too(
    tmp_path: Path, synced: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    died = Lake(str(tmp_path / "lake"))
    died.merge_events(event_table([event("a")]))
    with monkeypatch.context() as patch:
        patch.setattr("features.settling.Settling.settle", lambda _: None)
        died.merge_events(event_table([event("b")]))
    assert entry(died, 1) not in synced
    Lake(str(tmp_path / "lake")).merge_events(event_table([event("b")]))
    assert entry(died, 1) in synced
    assert set(map(Path, died.files())) <= set(synced)


def test_what_was_on_the_disk_when_a_checkpoint_was_made_is_left_alone(
    tmp_path: Path, synced: list[Path]
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    for name in "abc":
        lake.merge_events(event_table([event(name)]))
    lake.maintain()
    last = lake.version()
    synced.clear()
    Lake(str(tmp_path / "lake")).merge_events(event_table([event("c")]))
    assert entry(lake, last) in synced
    assert entry(lake, 0) not in synced
    assert entry(lake, last).with_suffix(".checkpoint.parquet") in synced


def test_a_file_that_is_no_more_needs_no_disk(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    for name in "abc":
        lake.merge_events(event_table([event(name)]))
    lake.compact()
    lake.vacuum(timedelta(0))
    report = Lake(str(tmp_path / "lake")).merge_events(event_table([event("d")]))
    assert report.inserted == 1


def test_a_lake_that_began_anew_is_brought_to_the_disk_from_its_beginning(
    tmp_path: Path, synced: list[Path]
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    for name in "ab":
        lake.merge_events(event_table([event(name)]))
    (tmp_path / "lake").rename(tmp_path / "away")
    synced.clear()
    lake.merge_events(event_table([event("a")]))
    assert entry(lake, 0) in synced


def test_a_disk_that_fails_is_told_as_a_lake_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(LakeUnavailable, match="Input/output error"):
        Lake(str(tmp_path / "lake")).merge_events(event_table([event("a")]))
