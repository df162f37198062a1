"""What every command writes: lines for a person, or one JSON object for a machine."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from rich.console import Console, RenderableType

from homing.progress import Stages

WIDTH = 140
"""Columns of tables where there is no terminal to ask."""


def wide_console(*, stderr: bool = False) -> Console:
    """Where a command writes: as wide as the terminal, and wide enough for tables without one."""
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    return console


class Output:
    """Where a command's answer goes.

    Args:
        as_json: One JSON object on standard output and nothing else.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._console = wide_console()
        self.stages = Stages(wide_console(stderr=True), quiet=as_json)

    def answer(self, report: object, lines: Iterable[RenderableType]) -> None:
        """Print the report: as JSON, or as these lines."""
        if self._json:
            # Written as it is: rich would wrap it to the terminal's width.
            self._console.file.write(msgspec.json.encode(report).decode() + "\n")
            return
        for line in lines:
            self._console.print(line, soft_wrap=isinstance(line, str), markup=False)
