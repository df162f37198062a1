"""Who will get the mail: a list as campaign tools export it."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TextIO

from features.errors import InvalidArgument

STDIN: Final = Path("-")
COLUMN: Final = "customer"
"""The header that names the column of ids; the first column has them without one."""


def read_recipients(file: Path, limit: int | None = None) -> list[str]:
    """Customers' ids or keys, each once, in the order of the list.

    Args:
        file: A text file with one a line, or CSV; `-` for standard input.
        limit: At most so many.

    Raises:
        InvalidArgument: It can't be read, or nobody is in it.
    """
    try:
        if file == STDIN:
            found = _found(sys.stdin)
        else:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                found = _found(lines)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "not a text of lines"
        cure = "name a text or CSV file with a customer a line, or - for standard input"
        raise InvalidArgument.of(str(file), field="send", reason=reason, cure=cure) from error
    if not found:
        reason, cure = "nobody is in it", "write a customer's id a line"
        raise InvalidArgument.of(str(file), field="send", reason=reason, cure=cure)
    return found[:limit]


def _found(lines: TextIO) -> list[str]:
    rows = [row for row in csv.reader(lines) if any(cell.strip() for cell in row)]
    if not rows:
        return []
    header = [cell.strip().lower() for cell in rows[0]]
    place = header.index(COLUMN) if COLUMN in header else 0
    return _once(row[place] for row in rows[COLUMN in header :] if len(row) > place)


def _once(cells: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(cell.strip() for cell in cells if cell.strip()))
