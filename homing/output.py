"""What every command writes: lines for a person, or one JSON object for a machine."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from rich.console import Console, RenderableType

from homing.progress import Stages


class Output:
    """Where a command's answer goes.

    Args:
        as_json: One JSON object on standard output and nothing else.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._console = Console(highlight=False)
        self.stages = Stages(Console(stderr=True, highlight=False), quiet=as_json)

    def answer(self, report: object, lines: Iterable[RenderableType]) -> None:
        """Print the report: as JSON, or as these lines."""
        if self._json:
            # Written as it is: rich would wrap it to the terminal's width.
            self._console.file.write(msgspec.json.encode(report).decode() + "\n")
            return
        for line in lines:
            self._console.print(line, soft_wrap=isinstance(line, str), markup=False)
