from __future__ import annotations

import pyarrow as pa
import pytest

from features import key_column
from features.key_column import KeyColumns
from tests.unit.features.making import KEYS


def keys_of(outside: list[str]) -> list[str | None]:
    return [KEYS.resolve(one) if one.isprintable() else None for one in outside]


@pytest.mark.parametrize("remembered", [0, 2, 1_000])
def test_each_id_has_its_own_key_however_many_were_seen_before(
    monkeypatch: pytest.MonkeyPatch, remembered: int
) -> None:
    monkeypatch.setattr(key_column, "REMEMBERED", remembered)
    columns = KeyColumns(KEYS)
    for outside in (["b", "a", "b"], [], ["d", "a", "c\nc", "b"], ["a"], ["e", "c\nc", "d"]):
        assert columns.of(pa.array(outside, pa.string())).to_pylist() == keys_of(outside)


def test_no_more_is_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_column, "REMEMBERED", 2)
    columns = KeyColumns(KEYS)
    for name in "abcd":
        columns.of(pa.array([name]))
    assert columns._outside.to_pylist() == ["d"]
