from __future__ import annotations

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from serving.blocks_file import BlocksFollower
from serving.metrics import Metrics
from serving.ranking.blocks import load_blocks
from serving.snapshot import Current, Snapshot


class Follow:
    """A file of blocks, and who follows it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write(4)
        self.metrics = Metrics()
        self.current = Current(load_blocks(path))
        self.follower = BlocksFollower(path, self.current, self.metrics)

    def write(self, size: int | str) -> None:
        """Another file in its place, as editors and clusters put it there."""
        aside = self.path.with_suffix(".new")
        aside.write_text(f"[hero]\nsize = {size}\n")
        aside.replace(self.path)

    @property
    def size(self) -> int:
        return self.current.snapshot.blocks["hero"].size

    @property
    def refused(self) -> float | None:
        return self.metrics.registry.get_sample_value("homing_blocks_refused_total")


@pytest.fixture
def follow(tmp_path: Path) -> Follow:
    return Follow(tmp_path / "blocks.toml")


def test_a_file_that_changes_changes_the_blocks(follow: Follow) -> None:
    follow.follower.look()
    assert follow.size == 4
    follow.write(6)
    assert follow.size == 4
    follow.follower.look()
    assert follow.size == 6


def test_a_file_that_says_the_same_changes_nothing(follow: Follow) -> None:
    before = follow.current.snapshot
    follow.follower.look()
    os.utime(follow.path, (1, 1))
    follow.follower.look()
    assert follow.current.snapshot is before


def test_what_changed_between_the_start_and_the_first_look_is_not_missed(follow: Follow) -> None:
    follow.write(5)
    follow.follower.look()
    assert follow.size == 5


def test_a_broken_file_is_refused_once_and_the_blocks_before_it_stay(follow: Follow) -> None:
    follow.write('"many"')
    with capture_logs() as logs:
        follow.follower.look()
        follow.follower.look()
    assert (follow.size, follow.refused) == (4, 1)
    assert [line["event"] for line in logs] == ["blocks refused"]
    follow.write(7)
    follow.follower.look()
    assert follow.size == 7


def test_a_file_that_is_gone_takes_no_block_with_it(follow: Follow) -> None:
    follow.follower.look()
    follow.path.unlink()
    follow.follower.look()
    follow.follower.look()
    assert (follow.size, follow.refused) == (4, 1)


def test_blocks_that_no_answer_can_be_made_by_are_refused(tmp_path: Path) -> None:
    follow = Follow(tmp_path / "blocks.toml")

    def burst(_: Snapshot) -> None:
        raise ZeroDivisionError

    follow.current = Current(load_blocks(follow.path), burst)
    follow.follower = BlocksFollower(follow.path, follow.current, follow.metrics)
    follow.write(9)
    follow.follower.look()
    assert (follow.size, follow.refused) == (4, 1)


def test_the_built_in_blocks_do_not_change() -> None:
    current = Current(load_blocks())
    before = current.snapshot
    BlocksFollower(None, current, Metrics()).look()
    assert current.snapshot is before
