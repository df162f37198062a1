from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from homing.follow.blocks import Block, Blocks

LINES = st.sampled_from(["data: a", "id: 7", "event: b", ": hush", "data", "retry: 3"])
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def cut(blocks: Blocks, text: bytes, places: list[int]) -> list[Block]:
    """The blocks of a text that comes in several chunks."""
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    chunks = [text[a:b] for a, b in pairwise(edges)]
    return [block for chunk in chunks for block in blocks.add(chunk)]


def test_a_block_comes_when_its_empty_line_has_come() -> None:
    blocks = Blocks(100)
    assert list(blocks.add(b"data: 1\n")) == []
    assert list(blocks.add(b"\nda")) == [Block(b"data: 1\n\n")]
    assert list(blocks.add(b"ta: 2\r\n\r\nx")) == [Block(b"data: 2\r\n\r\n")]


def test_a_mark_of_the_encoding_is_left_out_once() -> None:
    blocks = Blocks(100)
    assert list(blocks.add(b"\xef\xbb")) == []
    assert list(blocks.add(b"\xbfdata: 1\n\n\xef\xbb\xbf\n\n")) == [
        Block(b"data: 1\n\n"),
        Block(b"\xef\xbb\xbf\n\n"),
    ]


@given(
    st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=5),
    ENDS,
    st.lists(st.integers(0, 300), max_size=9),
)
def test_it_makes_no_difference_how_the_bytes_come(
    made: list[list[str]], end: str, places: list[int]
) -> None:
    text = "".join("".join(line + end for line in lines) + end for lines in made).encode()
    found = b"".join(block.content for block in cut(Blocks(1_000), text, places))
    # Of two signs that end a line the last may still belong to what follows.
    assert text.startswith(found)
    assert text[len(found) :] in {b"", b"\n"}


@given(st.lists(st.integers(0, 400), max_size=9))
def test_what_is_too_long_is_cut_and_the_rest_of_it_left_out(places: list[int]) -> None:
    text = b"data: 1\n\ndata: " + b"x" * 200 + b"\ndata: y\n\ndata: 2\n\n"
    found = cut(Blocks(20), text, places)
    assert found == [
        Block(b"data: 1\n\n"),
        Block(b"data: " + b"x" * 14, cut=True),
        Block(b"data: 2\n\n"),
    ]


def test_no_more_is_held_than_one_block_and_what_came_last() -> None:
    blocks = Blocks(1_000)
    for _ in range(100):
        list(blocks.add(b"x" * 1_000))
        assert len(blocks._held) <= 2_000
