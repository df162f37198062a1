from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from features.errors import StoreUnavailable
from training.tuning.notes import Noted, Notes, open_folder

TRIAL = Noted(
    params={"neighbours": 20, "shrink": 10.0, "scheme": "bm25", "weighting.fades": True},
    distributions={"neighbours": "…"},
    scores=(0.25, 0.1 + 0.2),
    state="complete",
    seconds=0.5,
)


def test_notes_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "study" / "als.jsonl"
    worse = msgspec.structs.replace(TRIAL, state="pruned", scores=(0.125,))
    for trial in (TRIAL, worse):
        Notes(path).add(trial)
    assert Notes(path).trials == [TRIAL, worse]
    assert [type(value) for value in Notes(path).trials[0].params.values()] == [
        int,
        float,
        str,
        bool,
    ]


@pytest.mark.parametrize(
    "torn",
    [
        b'{"params": {"nei',
        b'{"params": 7}\n',
        b"\xff\n",
        b'{"params": {}, "distributions": {"depth": "\xff"}}\n',
        msgspec.json.encode(TRIAL),  # all but the end of its line
    ],
)
def test_a_note_that_was_cut_short_is_written_over(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "als.jsonl"
    Notes(path).add(TRIAL)
    with path.open("ab") as file:
        file.write(torn)
    notes = Notes(path)
    assert notes.trials == [TRIAL]
    notes.add(TRIAL)
    assert Notes(path).trials == [TRIAL, TRIAL]


def test_notes_of_other_data_are_dropped(tmp_path: Path) -> None:
    Notes(open_folder(tmp_path, "old") / "als.jsonl").add(TRIAL)
    Notes(open_folder(tmp_path, "old") / "item_knn.jsonl").add(TRIAL)
    assert len(list((tmp_path / "old").iterdir())) == 2
    open_folder(tmp_path, "new")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fails_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="can't be read or written"):
        Notes(tmp_path / "file" / "als.jsonl").add(TRIAL)
    with pytest.raises(StoreUnavailable, match="free space"):
        open_folder(tmp_path / "file", "digest")
