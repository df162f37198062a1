"""What a rehearsal found, as a person and a machine read it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from rich.console import RenderableType
from rich.table import Table

from homing.rehearsal.measured import LoadFigures


class RungShare(msgspec.Struct, frozen=True):
    """Slates of one rung for one reason.

    Attributes:
        rung: What they were made from.
        reason: Why not from the model; None where there is no reason.
        slates: How many.
        share: Of all slates.
    """

    rung: str
    reason: str | None
    slates: int
    share: float


class Blank(msgspec.Struct, frozen=True):
    """A fetch whose reader would see nothing, or too little.

    Attributes:
        recipient: Place in the list, from 1; the list has the id.
        block: The block.
        why: What went wrong.
    """

    recipient: int
    block: str
    why: str


class Dominant(msgspec.Struct, frozen=True):
    """An item that many slates show.

    Attributes:
        item: Its id.
        title: What a reader sees.
        slates: How many show it.
        share: Of all slates.
    """

    item: str
    title: str
    slates: int
    share: float


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """What a rehearsal found.

    Attributes:
        url: The scorer's.
        send: Id of the send that was rehearsed.
        blocks: That were asked for.
        recipients: In the list.
        rate: Fetches a second that were wanted.
        load: What came of it; latency counts from when a fetch was due.
        rungs: What slates were made from, the most first.
        blanks: Why readers would see too little → how many fetches; empty when all is well.
        examples: Some of these.
        repeated: Whether every fetch was repeated.
        differing: Fetches that were answered otherwise when they were repeated.
        twice: Slates that show an item twice.
        across: Recipients who get an item in two blocks of the mail.
        items: Different items that are shown.
        dominant: Those that most slates show.
        top_share: Share of all places that these take.
    """

    url: str
    send: str
    blocks: tuple[str, ...]
    recipients: int
    rate: float
    load: LoadFigures
    rungs: tuple[RungShare, ...]
    blanks: dict[str, int]
    examples: tuple[Blank, ...]
    repeated: bool
    differing: int
    twice: int
    across: int
    items: int
    dominant: tuple[Dominant, ...]
    top_share: float

    @property
    def sound(self) -> bool:
        """Whether nobody would see a blank, and nobody another slate the second time."""
        return not self.blanks and not self.differing


def rehearsal_lines(report: Rehearsal) -> Iterable[RenderableType]:
    """The report as a person reads it."""
    load, latency = report.load, report.load.latency
    yield (
        f"{report.recipients:,} recipients × {', '.join(report.blocks)}: {load.requests:,} "
        f"fetches, {report.rate:,.6g} a second wanted, {load.rate:,.6g} answered"
    )
    yield (
        f"latency in ms: p50 {latency.p50:g}, p90 {latency.p90:g}, p99 {latency.p99:g}, "
        f"p99.9 {latency.p999:g}, most {latency.most:g}"
    )
    yield _rungs_table(report)
    yield _blanks_line(report)
    for example in report.examples:
        yield f"  recipient {example.recipient}, {example.block}: {example.why}"
    if report.repeated:
        yield f"answered otherwise when repeated: {report.differing:,}"
    yield (
        f"repeats: {report.twice:,} slates show an item twice, {report.across:,} recipients get "
        "one in two blocks"
    )
    yield _dominant_table(report)


def _blanks_line(report: Rehearsal) -> str:
    total = sum(report.blanks.values())
    why = "; ".join(f"{count:,} × {reason}" for reason, count in report.blanks.items())
    return f"blanks: {total:,}" + (f" ({why})" if why else "")


def _rungs_table(report: Rehearsal) -> Table:
    table = Table(title="What slates were made from", title_justify="left")
    for name in ("rung", "reason"):
        table.add_column(name)
    for name in ("slates", "share"):
        table.add_column(name, justify="right")
    for of in report.rungs:
        table.add_row(of.rung, of.reason or "", f"{of.slates:,}", f"{of.share:.1%}")
    return table


def _dominant_table(report: Rehearsal) -> Table:
    title = (
        f"Of {report.items:,} items shown, these {len(report.dominant)} take "
        f"{report.top_share:.1%} of all places"
    )
    table = Table(title=title, title_justify="left")
    for name in ("item", "title"):
        table.add_column(name)
    for name in ("slates", "share"):
        table.add_column(name, justify="right")
    for one in report.dominant:
        table.add_row(one.item, one.title, f"{one.slates:,}", f"{one.share:.1%}")
    return table
