"""What a file of the lake holds is read once, and taken for nothing that it does not hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import known_ids
from features.errors import LakeUnavailable
from features.known_ids import KnownIds
from features.lake import EVENTS, Lake
from features.tables import event_table
from tests.unit.features.making import event

some_ids = st.lists(st.sampled_from("abcdefgh"), unique=True)


def written(folder: Path, name: str, ids: Sequence[str]) -> str:
    path = folder / f"{name}.parquet"
    pq.write_table(pa.table({"id": pa.array(ids, pa.string())}), path)
    return str(path)


def among(known: KnownIds, ids: Sequence[str], files: dict[str, bool]) -> list[str]:
    found = known.among(pa.array(ids, pa.string()), files)
    return [one for one, there in zip(ids, found.tolist(), strict=True) if there]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    read = known_ids._read

    def reading(path: str) -> Iterable[pa.Array]:
        found.append(Path(path).stem)
        return read(path)

    monkeypatch.setattr(known_ids, "_read", reading)
    return found


def test_ids_are_looked_for_in_the_wanted_files_alone(tmp_path: Path) -> None:
    one, two = written(tmp_path, "one", ["a", "b"]), written(tmp_path, "two", ["c"])
    files = {one: True, two: False, written(tmp_path, "none", []): True}
    assert among(KnownIds(), ["c", "b", "x", "a"], files) == ["b", "a"]
    assert among(KnownIds(), [], files) == []
    assert among(KnownIds(), ["a"], {}) == []


def test_a_file_is_read_again_only_for_what_it_seems_to_hold(
    tmp_path: Path, reads: list[str]
) -> None:
    files = {written(tmp_path, "one", ["a"]): True, written(tmp_path, "two", ["b"]): True}
    known = KnownIds()
    assert among(known, ["x"], files) == []
    assert reads == ["one", "two"]
    assert among(known, ["x", "y"], files) == []
    assert reads == ["one", "two"]
    assert among(known, ["x", "b"], files) == ["b"]
    assert reads == ["one", "two", "two"]


def test_what_is_not_live_any_more_is_forgotten(tmp_path: Path, reads: list[str]) -> None:
    one, two = written(tmp_path, "one", ["a"]), written(tmp_path, "two", ["b"])
    known = KnownIds()
    for files in ({one: True, two: True}, {two: True}, {one: True, two: False}):
        among(known, ["x"], files)
    assert reads == ["one", "two", "one"]


def test_no_more_is_remembered_than_there_is_room_for(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_ids, "MOST_IDS", 3)
    files = {written(tmp_path, name, [name, f"{name}2"]): True for name in ("one", "two")}
    known = KnownIds()
    for _ in range(2):
        assert among(known, ["x"], files) == []
    assert reads == ["one", "two", "two"]


def test_what_is_not_looked_into_any_more_gives_way(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_ids, "MOST_IDS", 2)
    old, new = written(tmp_path, "old", ["a", "b"]), written(tmp_path, "new", ["c"])
    known = KnownIds()
    for files in ({old: True}, {old: False, new: True}, {old: False, new: True}):
        assert among(known, ["x"], files) == []
    assert reads == ["old", "new"]


@given(some_ids, some_ids, some_ids)
def test_ids_that_share_their_bits_are_told_apart(
    tmp_path_factory: pytest.TempPathFactory, asked: list[str], one: list[str], two: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("files")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(known_ids, "hash", lambda text: ord(text) % 3, raising=False)
        patched.setattr(known_ids, "ROWS", 2)
        files = {written(folder, "one", one): True, written(folder, "two", two): True}
        assert among(KnownIds(), asked, files) == [name for name in asked if name in one + two]


def test_an_id_that_another_machine_inserts_meanwhile_is_not_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = Lake(str(tmp_path)), Lake(str(tmp_path))
    ours.merge_events(event_table([event("a")]))
    look, meanwhile = ours._ids.among, [event("b")]

    def among_then_late(ids: pa.Array, files: dict[str, bool]) -> object:
        found = look(ids, files)
        while meanwhile:
            theirs._insert(event_table([meanwhile.pop()]))  # whom no lock of this machine holds up
        return found

    monkeypatch.setattr(ours._ids, "among", among_then_late)
    report = ours.merge_events(event_table([event("b"), event("c")]))
    assert (report.inserted, report.version) == (1, 2)


def test_a_file_that_is_gone_is_declared(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.merge_events(event_table([event("a")]))
    Path(lake.files(EVENTS)[0]).unlink()
    with pytest.raises(LakeUnavailable, match="restore the folder"):
        lake.merge_events(event_table([event("b")]))
