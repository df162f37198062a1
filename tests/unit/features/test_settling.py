from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest
from deltalake import DeltaTable

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


def grown(folder: Path, names: str) -> Lake:
    """A lake with a commit for each of these events."""
    lake = Lake(str(folder / "lake"))
    for name in names:
        lake.merge_events(event_table([event(name)]))
    return lake


def note(lake: Lake) -> Path:
    return Path(lake.root, ".events.settled")


def ids(lake: Lake) -> list[str]:
    table = DeltaTable(lake.path("events")).to_pyarrow_table()
    return sorted(table.column("id").to_pylist())


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
    assert synced.index(entry(lake, 0)) < synced.index(entry(lake, 0).parent)
    assert synced[-1] == note(lake)


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
    lake = grown(tmp_path, "abc")
    lake.maintain()
    last = lake.version()
    note(lake).unlink()  # as in a lake that an earlier version wrote
    synced.clear()
    Lake(lake.root).merge_events(event_table([event("c")]))
    assert entry(lake, last) in synced
    assert entry(lake, 0) not in synced
    assert entry(lake, last).with_suffix(".checkpoint.parquet") in synced
    assert int(note(lake).read_text()) == last


def test_a_checkpoint_is_on_the_disk_before_what_it_sums_up_may_go(
    tmp_path: Path, synced: list[Path]
) -> None:
    lake = grown(tmp_path, "ab")
    synced.clear()
    lake.maintain()
    checkpoint = entry(lake, lake.version()).with_suffix(".checkpoint.parquet")
    assert {checkpoint, checkpoint.with_name("_last_checkpoint")} <= set(synced)


def emptied(lake: Lake, version: int) -> None:
    for action in entry(lake, version).read_text().splitlines():
        if added := json.loads(action).get("add"):
            Path(lake.path("events"), unquote(added["path"])).write_bytes(b"")


def entry_emptied(lake: Lake, version: int) -> None:
    entry(lake, version).write_bytes(b"")


def entry_cut(lake: Lake, version: int) -> None:
    entry(lake, version).write_bytes(entry(lake, version).read_bytes()[:50])


def entry_garbled(lake: Lake, version: int) -> None:
    body = entry(lake, version).read_bytes()
    assert b'"path":"' in body
    entry(lake, version).write_bytes(body.replace(b'"path":"', b'"path":"\xff'))


def entry_gone(lake: Lake, version: int) -> None:
    entry(lake, version).unlink()


def zeroed(lake: Lake, version: int) -> None:
    """Of its full length, without what it held."""
    added = json.loads(entry(lake, version).read_text().splitlines()[-1])["add"]["path"]
    file = Path(lake.path("events"), unquote(added))
    file.write_bytes(bytes(file.stat().st_size))


@pytest.mark.parametrize(
    "breaks", [emptied, entry_emptied, entry_cut, entry_garbled, entry_gone, zeroed]
)
def test_what_a_power_cut_left_half_is_taken_back_and_can_come_again(
    tmp_path: Path, breaks: Callable[[Lake, int], None]
) -> None:
    lake = grown(tmp_path, "abcd")
    note(lake).write_text("1")
    breaks(lake, 2)
    again = Lake(lake.root)
    again.merge_events(event_table([event(name) for name in "cd"]))
    assert ids(again) == list("abcd")
    assert again.version() == 2


def test_what_others_wrote_joined_and_deleted_since_is_not_taken_back(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    lake.merge_events(event_table([event("a"), event("b")]))
    lake.merge_events(event_table([event("c")]))
    theirs = DeltaTable(lake.path("events"))
    theirs.delete("id = 'a'")
    theirs.optimize.compact()
    theirs.vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
    assert int(note(lake).read_text()) == 1
    again = Lake(lake.root)
    again.merge_events(event_table([event("d")]))
    assert ids(again) == list("bcd")
    note(lake).write_text("1")
    emptied(again, again.version())  # and a power cut after all that
    once_more = Lake(lake.root)
    once_more.merge_events(event_table([event("d")]))
    assert ids(once_more) == list("bcd")


def test_a_checkpoint_that_a_power_cut_left_half_is_dropped(tmp_path: Path) -> None:
    lake = grown(tmp_path, "abc")
    lake.maintain()
    whole = Lake(lake.root)
    whole.merge_events(event_table([event("d")]))
    checkpoint = entry(lake, 3).with_suffix(".checkpoint.parquet")
    assert checkpoint.exists()
    checkpoint.write_bytes(b"")
    Lake(lake.root).merge_events(event_table([event("d")]))
    assert not checkpoint.exists()
    assert ids(lake) == list("abcd")


def test_a_checkpoint_of_what_is_taken_back_is_dropped(tmp_path: Path) -> None:
    lake = grown(tmp_path, "abc")
    DeltaTable(lake.path("events")).create_checkpoint()
    note(lake).write_text("1")
    emptied(lake, 2)
    again = Lake(lake.root)
    again.merge_events(event_table([event("c")]))
    assert ids(again) == list("abc")
    assert not entry(lake, 2).with_suffix(".checkpoint.parquet").exists()


def test_whoever_dies_while_taking_back_leaves_no_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = grown(tmp_path, "abcd")
    note(lake).write_text("0")
    emptied(lake, 1)
    unlink = Path.unlink

    def unlink_and_die(path: Path) -> None:
        unlink(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", unlink_and_die)
    with pytest.raises(KeyboardInterrupt):
        Lake(lake.root).merge_events(event_table([event("b")]))
    assert [entry(lake, number).exists() for number in range(4)] == [True, True, True, False]


def test_what_was_on_the_disk_and_is_not_whole_any_more_is_left_to_a_person(
    tmp_path: Path,
) -> None:
    lake = grown(tmp_path, "ab")
    emptied(lake, 1)
    with pytest.raises(LakeUnavailable):
        Lake(lake.root).merge_events(event_table([event("b"), event("c")]))
    assert entry(lake, 1).exists()


def test_a_note_of_another_table_says_nothing_of_this(tmp_path: Path) -> None:
    lake = grown(tmp_path, "ab")
    note(lake).write_text("7")
    Lake(lake.root).merge_events(event_table([event("b")]))
    assert int(note(lake).read_text()) == 1


def test_a_file_that_is_no_more_needs_no_disk(tmp_path: Path) -> None:
    lake = grown(tmp_path, "abc")
    lake.compact()
    lake.vacuum(timedelta(0))
    report = Lake(str(tmp_path / "lake")).merge_events(event_table([event("d")]))
    assert report.inserted == 1


def test_a_lake_that_began_anew_is_brought_to_the_disk_from_its_beginning(
    tmp_path: Path, synced: list[Path]
) -> None:
    lake = grown(tmp_path, "ab")
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
