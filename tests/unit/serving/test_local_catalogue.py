from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from features.item import Item
from serving.catalogue import CatalogueCopy, make_copy
from serving.local_catalogue import FORMAT, KEPT, LocalCatalogue

APPLE, BREAD = Item(id="apple", title="Apple"), Item(id="bread", title="Bread")
SHELVES = {"segment:new": ("apple",), "popular": ("bread", "apple")}


def folders(home: Path) -> list[Path]:
    return sorted(path for path in home.iterdir() if path.is_dir())


def same(one: CatalogueCopy, other: CatalogueCopy | None) -> bool:
    return other is not None and (
        dict(one.items),
        one.shelf_items(),
        one.digest,
    ) == (dict(other.items), other.shelf_items(), other.digest)


def test_a_copy_survives_the_disk(tmp_path: Path) -> None:
    copy = make_copy(3, (APPLE, BREAD), SHELVES)
    kept = LocalCatalogue(tmp_path).keep(copy)
    loaded = LocalCatalogue(tmp_path).load()
    assert kept is not copy
    assert same(copy, kept)
    assert same(copy, loaded)
    assert (kept.version, None if loaded is None else loaded.version) == (3, -1)


def test_no_copy_is_none(tmp_path: Path) -> None:
    assert LocalCatalogue(tmp_path).load() is None
    (tmp_path / "current.json").write_bytes(b"{")
    assert LocalCatalogue(tmp_path).load() is None


@pytest.mark.parametrize("file", ["bodies.npy", "slots.npy", "manifest.json"])
@pytest.mark.parametrize("harm", ["cut", "changed", "gone"])
def test_a_copy_that_is_not_whole_is_dropped_and_made_anew(
    tmp_path: Path, file: str, harm: str
) -> None:
    copy, local = make_copy(3, (APPLE, BREAD), SHELVES), LocalCatalogue(tmp_path)
    local.keep(copy)
    path = folders(tmp_path)[0] / file
    body = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(
            body[:-1] if harm == "cut" else body[:-9] + bytes([body[-9] ^ 1]) + body[-8:]
        )
    with capture_logs() as logs:
        assert local.load() is None
    assert [line["event"] for line in logs] == ["catalogue on disk can't be used"]
    assert folders(tmp_path) == []
    assert same(copy, local.keep(copy))
    assert same(copy, local.load())


def test_shelves_that_are_not_those_that_were_kept_are_not_used(tmp_path: Path) -> None:
    LocalCatalogue(tmp_path).keep(make_copy(3, (APPLE, BREAD), SHELVES))
    manifest = folders(tmp_path)[0] / "manifest.json"
    manifest.write_text(manifest.read_text().replace("popular", "popula_"))
    assert LocalCatalogue(tmp_path).load() is None


def test_a_copy_in_a_form_of_another_day_is_left_alone(tmp_path: Path) -> None:
    LocalCatalogue(tmp_path).keep(make_copy(3, (APPLE,), {}))
    manifest = folders(tmp_path)[0] / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"format": {FORMAT}', '"format": 0'))
    assert LocalCatalogue(tmp_path).load() is None
    assert manifest.exists()


def test_the_same_content_is_written_once(tmp_path: Path) -> None:
    local = LocalCatalogue(tmp_path)
    local.keep(make_copy(3, (APPLE, BREAD), SHELVES))
    before = folders(tmp_path)[0].stat().st_ino
    local.keep(make_copy(4, (APPLE, BREAD), SHELVES))
    assert [folder.stat().st_ino for folder in folders(tmp_path)] == [before]
    assert local.shared(4) is not None


def test_the_last_two_stay_and_who_has_mapped_an_older_one_keeps_it(tmp_path: Path) -> None:
    local = LocalCatalogue(tmp_path)
    first = local.keep(make_copy(1, (APPLE,), {}))
    for version in range(2, 6):
        item = Item(id=f"item {version}", title="Another")
        local.keep(make_copy(version, (item,), {}))
    assert len(folders(tmp_path)) == KEPT
    assert dict(first.items) == {"apple": APPLE}
    newest = local.load()
    assert newest is not None
    assert list(newest.items) == ["item 5"]


def test_workers_share_a_version_and_a_later_run_does_not_trust_its_number(tmp_path: Path) -> None:
    local = LocalCatalogue(tmp_path)
    local.keep(make_copy(3, (APPLE,), {}))
    assert local.shared(3) is not None
    assert local.shared(4) is None
    assert LocalCatalogue(tmp_path).shared(3) is None


def test_one_reads_the_store_at_a_time(tmp_path: Path) -> None:
    one, other = LocalCatalogue(tmp_path), LocalCatalogue(tmp_path)
    with one.turn(wait=False) as mine, other.turn(wait=False) as also:
        assert (mine, also) == (True, False)
    with other.turn(wait=True) as mine:
        assert mine


def test_a_disk_that_takes_nothing_keeps_no_copy_and_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "catalogue").write_text("a file where the folder should be")
    local = LocalCatalogue(tmp_path / "catalogue")
    copy = make_copy(3, (APPLE,), {})
    with local.turn(wait=False) as mine, capture_logs() as logs:
        assert mine
        assert local.keep(copy) is copy
    assert [line["event"] for line in logs] == ["catalogue not kept on disk"]
    assert local.load() is None
