from __future__ import annotations

import io

from rich.console import Console

from homing.progress import Stages


def shown(*, terminal: bool, quiet: bool = False) -> str:
    out = io.StringIO()
    stages = Stages(Console(file=out, force_terminal=terminal, width=100), quiet=quiet)
    with stages.stage("import") as advance:
        for done in range(101):
            advance(done, 100)
    return out.getvalue()


def test_without_a_terminal_a_stage_is_a_few_plain_lines() -> None:
    lines = shown(terminal=False).splitlines()

    assert lines[:4] == [
        "import …",
        "import: 25 of 100",
        "import: 50 of 100",
        "import: 75 of 100",
    ]
    assert lines[4].startswith("import: ")
    assert lines[4].endswith(" s")
    assert len(lines) == 5


def test_on_a_terminal_a_stage_is_a_bar_that_ends_full() -> None:
    text = shown(terminal=True)

    assert "import" in text
    assert "100/100" in text


def test_a_stage_that_never_says_how_far_it_is_ends_full_too() -> None:
    out = io.StringIO()
    with Stages(Console(file=out, force_terminal=True, width=100)).stage("move"):
        pass

    assert "1/1" in out.getvalue()


def test_a_total_that_is_not_known_prints_no_share() -> None:
    out = io.StringIO()
    with Stages(Console(file=out, force_terminal=False)).stage("fit") as advance:
        advance(3, 0)

    assert len(out.getvalue().splitlines()) == 2


def test_quiet_shows_nothing() -> None:
    assert shown(terminal=True, quiet=True) == ""
