"""A power cut leaves what was synced, and of all else anything."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from tests.faults.intake.forgetful import SECTOR, Change, Journal, Kind, left_by_cut

FILE = "home/log"
MADE = [Change(Kind.MADE, FILE), Change(Kind.NAMES_SYNCED, FILE)]
CUTS = 200


def written(data: bytes, offset: int = 0) -> Change:
    return Change(Kind.WRITTEN, FILE, offset, data)


def cuts(changes: Sequence[Change], moment: int | None = None) -> set[bytes | None]:
    """All that was left of the file in many cuts; None where it was gone."""
    journal = Journal()
    for change in changes:
        journal.add(change)
    at = journal.now() if moment is None else moment
    return {left_by_cut(journal, at, Random(seed)).get(FILE) for seed in range(CUTS)}  # noqa: S311 - draws what is left


def test_what_was_synced_is_there_after_every_cut() -> None:
    assert cuts([*MADE, written(b"one"), Change(Kind.SYNCED, FILE, 3)]) == {b"one"}


def test_what_was_not_synced_is_there_by_chance() -> None:
    assert cuts([*MADE, written(b"one")]) == {b"", b"one"}


def test_what_came_while_a_sync_was_under_way_is_there_by_chance() -> None:
    during = [*MADE, written(b"one"), written(b"two", 3), Change(Kind.SYNCED, FILE, 3)]
    assert cuts(during) == {b"one", b"onetwo"}


def test_a_write_may_be_there_in_any_part_and_a_later_one_without_an_earlier() -> None:
    early, late = b"a" * SECTOR, b"b" * SECTOR
    left = cuts([*MADE, written(early + late)])
    assert left == {b"", early, early + late, bytes(SECTOR) + late}


def test_what_was_cut_off_may_be_there_again_until_it_is_synced() -> None:
    cut_off = [*MADE, written(b"one"), Change(Kind.SYNCED, FILE, 3), Change(Kind.RESIZED, FILE, 1)]
    assert cuts(cut_off) == {b"one", b"o"}
    assert cuts([*cut_off, Change(Kind.SYNCED, FILE, 5)]) == {b"o"}


@pytest.mark.parametrize(
    ("names", "left"), [([], {b"one", None}), ([Change(Kind.NAMES_SYNCED, FILE)], {b"one"})]
)
def test_a_file_has_its_name_for_sure_when_its_folder_was_synced(
    names: list[Change], left: set[bytes | None]
) -> None:
    new = [Change(Kind.MADE, FILE), written(b"one"), Change(Kind.SYNCED, FILE, 2)]
    assert cuts([*new, *names]) == left


def test_a_deleted_file_may_be_there_again_until_its_folder_is_synced() -> None:
    gone = [*MADE, Change(Kind.DELETED, FILE)]
    assert cuts(gone) == {b"", None}
    assert cuts([*gone, Change(Kind.NAMES_SYNCED, FILE)]) == {None}


def test_what_comes_after_the_cut_is_not_there() -> None:
    synced = Change(Kind.SYNCED, FILE, 4)
    assert cuts([*MADE, written(b"one"), synced], moment=2) == {b""}
