from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import SettingsError
from serving.ranking.blocks import Block, RuleName, load_blocks


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
    assert [block.rotation_days for block in blocks.values()] == [14.0, 14.0, None]
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
    rotation_days = 14
    category_cap = 1
    brand_cap = 2
    popularity_cap = 1
    popular_share = 0.05
    new_share = 0.5
    new_days = 14
    price_spread = 2
    diversity = 0.3
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
        rotation_days=14.0,
        category_cap=1,
        brand_cap=2,
        popularity_cap=1,
        popular_share=0.05,
        new_share=0.5,
        new_days=14.0,
        price_spread=2.0,
        diversity=0.3,
        items=footer.items,
    )
    assert footer.items[0].title == "An X"


def test_a_block_has_the_rules_that_it_asks_for_in_their_order() -> None:
    assert Block(size=4, popular_share=0.2, new_days=9).rules == ()
    asked = Block(size=4, diversity=0.5, category_cap=2, new_share=0.25)
    assert asked.rules == (RuleName.CATEGORY_CAP, RuleName.NEW_SHARE, RuleName.DIVERSITY)


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
        ("[hero]\nsize = 4\nrotation_days = 0", "block hero, rotation_days = 0.0: give days"),
        ("[hero]\nsize = 4\nrotation_days = nan", "block hero, rotation_days = nan: give days"),
        ("[hero]\nsize = 4\nrotation_days = 366", "rotation_days = 366.0: .* up to 365"),
        ("[hero]\nsize = 4\ncategory_cap = 0", "block hero, category_cap = 0"),
        ("[hero]\nsize = 4\nbrand_cap = 0", "block hero, brand_cap = 0: give a number from 1"),
        ("[hero]\nsize = 4\nbrand_cap = 1.5", "block hero, brand_cap = 1.5: .*int"),
        ("[hero]\nsize = 4\npopularity_cap = -1", "block hero, popularity_cap = -1"),
        ("[hero]\nsize = 4\npopular_share = 1", "block hero, popular_share = 1.0"),
        ("[hero]\nsize = 4\nnew_share = 0.2", r"new_share = 0.2: give 0.25 \(one place of 4\)"),
        ("[hero]\nsize = 3\nnew_share = 0.33", r"new_share = 0.33: give 0.34 \(one place of 3\)"),
        ("[hero]\nsize = 4\nnew_share = 1.1", "block hero, new_share = 1.1"),
        ("[hero]\nsize = 4\nnew_days = 0", "block hero, new_days = 0.0: give days"),
        ("[hero]\nsize = 4\nnew_days = nan", "block hero, new_days = nan: give days"),
        ("[hero]\nsize = 4\nnew_days = 9999", "block hero, new_days = 9999.0: .* up to 3650"),
        ("[hero]\nsize = 4\nprice_spread = 1", "block hero, price_spread = 1.0: .* above 1"),
        ("[hero]\nsize = 4\nprice_spread = inf", "block hero, price_spread = inf: .* above 1"),
        ("[hero]\nsize = 4\ndiversity = 1", "block hero, diversity = 1.0: give a part of 1"),
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
