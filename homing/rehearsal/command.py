"""`homing rehearse`: from its words to what was found."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from features.clock import Clock
from features.progress import Stage
from homing.rehearsal.play import Script, play
from homing.rehearsal.recipients import read_recipients
from homing.rehearsal.report import Rehearsal
from serving.ranking.blocks import Block, load_blocks


class Wish(NamedTuple):
    """What the command line asks for.

    Attributes:
        file: Of recipients; `-` for standard input.
        rate: Fetches a second.
        blocks: Names; all that are configured when empty.
        url: The scorer's address.
        send: Id of the send; one of the moment when None.
        repeat: Whether everything is fetched twice.
        limit: At most so many recipients.
        report: Where to draw; None for no picture.
    """

    file: Path
    rate: float
    blocks: tuple[str, ...]
    url: str
    send: str | None
    repeat: bool
    limit: int | None
    report: Path | None


def run_rehearsal(
    wish: Wish, key: str | None, blocks_file: Path | None, clock: Clock, stage: Stage
) -> Rehearsal:
    """Rehearse a campaign and draw what was found.

    Args:
        wish: What is wanted.
        key: An API key with scope `recommend`; None where none is asked for.
        blocks_file: Where blocks are configured; says how many items a slate has to show.
        clock: Names the send when nobody did.
        stage: Shows how far it is.

    Raises:
        InvalidArgument: The list, the address or the report's file can't be used.
        SettingsError: The blocks can't be read.
        Unavailable: The scorer can't be asked.
        MissingExtra: A report is wanted, and what draws it is not installed.
    """
    recipients = read_recipients(wish.file, wish.limit)
    known: dict[str, Block] = load_blocks(blocks_file)
    send = wish.send or f"rehearsal-{clock.now():%Y%m%dT%H%M%S}"
    script = Script(recipients, wish.blocks or tuple(known), send, wish.rate, wish.repeat)
    sizes = {name: block.size for name, block in known.items()}
    if wish.report is None:
        with stage(f"rehearsing {send}") as advance:
            return play(script, wish.url, key, sizes, advance)[0]
    from homing.rehearsal.drawing import claim, draw  # noqa: PLC0415 - it brings matplotlib

    claim(wish.report)
    with stage(f"rehearsing {send}") as advance:
        report, measured = play(script, wish.url, key, sizes, advance)
    draw(report, measured, wish.report)
    return report
