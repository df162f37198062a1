from __future__ import annotations

import io
from pathlib import Path

import pytest

from features.errors import InvalidArgument
from homing.rehearsal.recipients import STDIN, read_recipients


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("anna\nbert\n", ["anna", "bert"]),
        ("\ufeffanna\r\n\r\n  bert  \r\nanna\r\n", ["anna", "bert"]),
        ("email,Customer\na@b.example,17\nc@d.example,18\n", ["17", "18"]),
        ('17,"a, b"\n18,c\n', ["17", "18"]),
        ("name,customer\nanna\nbert,18\n", ["18"]),
    ],
)
def test_a_list_is_read_as_campaign_tools_write_it(
    tmp_path: Path, text: str, found: list[str]
) -> None:
    file = tmp_path / "list.csv"
    file.write_text(text, "utf-8", newline="")
    assert read_recipients(file) == found


def test_no_more_are_read_than_wanted(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("one\ntwo\nthree\n")
    assert read_recipients(file, 2) == ["one", "two"]


def test_a_list_may_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("anna\nbert\n"))
    assert read_recipients(STDIN) == ["anna", "bert"]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"customer\n"])
def test_a_list_with_nobody_in_it_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(content)
    with pytest.raises(InvalidArgument, match="nobody is in it"):
        read_recipients(file)


def test_what_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="No such file"):
        read_recipients(tmp_path / "none.csv")
    (tmp_path / "picture.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidArgument, match="not a text of lines"):
        read_recipients(tmp_path / "picture.csv")
