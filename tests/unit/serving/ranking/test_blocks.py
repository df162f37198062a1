from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import SettingsError
from serving.ranking.blocks import Block, load_blocks


def write(folder: Path, text: str) -> Path:
    """A file of blocks."""
    path = folder / "blocks.toml"
    path.write_text(text)
    return path


def test_the_built_in_blocks_are_whole() -> None:
    blocks = load_blocks()
    assert list(blocks) == ["hero", "cross_sell", "buy_again"]
    assert [block.name for block in blocks.values()] == list(blocks)
    assert all(len(block.items) >= block.size == 4 for block in blocks.values())
    assert [block.allow_repeats for block in blocks.values()] == [False, False, True]
    assert blocks["cross_sell"].category_cap == 2


def test_static_items_are_different_in_every_built_in_block() -> None:
    ids = [item.id for block in load_blocks().values() for item in block.items]
    assert len(set(ids)) == len(ids)


def test_a_file_says_all_that_a_block_can_be(tmp_path: Path) -> None:
    text = """
    [footer]
    size = 2
    allow_repeats = true
    repeat_after_days = 7
    categories = ["food"]
    exclude_categories = ["alcohol"]
    category_cap = 1
    [[footer.items]]
    id = "x"
    title = "An X"
    """
    footer = load_blocks(write(tmp_path, text))["footer"]
    assert footer == Block(
        name="footer",
        size=2,
        allow_repeats=True,
        repeat_after_days=7.0,
        categories=("food",),
        exclude_categories=("alcohol",),
        category_cap=1,
        items=footer.items,
    )
    assert footer.items[0].title == "An X"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[hero]\nsize = 0", "block hero, size = 0"),
        ("[hero]\nsize = 51", "block hero, size = 51"),
        ("[hero]\nsize = '4'", "block hero, size = '4'"),
        ("[hero]\nsize = 4\ncolour = 'red'", "block hero.*colour"),
        ("[hero]\nallow_repeats = true", "block hero: .*size"),
        ("[hero]\nsize = 4\nrepeat_after_days = -1", "block hero, repeat_after_days = -1"),
        ("[hero]\nsize = 4\nrepeat_after_days = nan", "block hero, repeat_after_days = nan"),
        ("[hero]\nsize = 4\ncategory_cap = 0", "block hero, category_cap = 0"),
        ("[hero]\nsize = 4\n[[hero.items]]\nid = 'a'", "block hero, items.*title"),
        (
            "[hero]\nsize = 4\n[[hero.items]]\nid = 'a'\ntitle = ' '",
            r"block hero, items\[0\]\.title",
        ),
        (
            "[hero]\nsize = 4\n[[hero.items]]\nid = 'a'\ntitle = 'A'\nurl = 'ftp://a'",
            r"block hero, items\[0\]\.url = 'ftp://a'",
        ),
        ("[hero]\nsize = 4" + "\n[[hero.items]]\nid = 'a'\ntitle = 'A'" * 2, "an id comes twice"),
        ("['a b']\nsize = 4", "block 'a b'"),
        ("hero = 4", "block hero: "),
        ("", "no block"),
        ("[hero", "not TOML"),
    ],
)
def test_what_can_not_be_used_is_named_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingsError, match=f"{path}: .*{said}|{path}: {said}"):
        load_blocks(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: can't be read"):
        load_blocks(tmp_path / "nowhere.toml")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"b\.toml: not TOML"):
        load_blocks(tmp_path / "b.toml")
