"""A comparison whose every part says something, and a reader of its page."""

from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser

from training.compare.found import pair
from training.compare.report import (
    Comparison,
    Cost,
    Curve,
    Drift,
    Drifted,
    Example,
    GroupMoved,
    ItemMoved,
    Overlap,
    Paired,
    Shown,
    Slates,
    Slice,
)
from training.metrics import Interval
from training.reports import Figure

NASTY = "<script>alert(1)</script>"
VOID = {"meta", "br", "hr", "img", "link", "input"}


def paired(metric: str, difference: float, spread: float = 0.01) -> Paired:
    """A metric of 0.3 that changes by so much, surely unless the spread is greater."""
    sides = Interval(0.3, 0.25, 0.35), Interval(0.3 + difference, 0.25, 0.35)
    return pair(metric, sides, Interval(difference, difference - spread, difference + spread))


def comparison() -> Comparison:
    """Two recommenders, the second of them better but for the new."""
    shown = (Shown("tea-1", NASTY, hit=True), Shown("tea-2", "Tea 2", hit=False))
    example = Example(
        customer="ck_1", why="least_in_common", history=(NASTY,), bought=("Tea",), a=shown, b=shown
    )
    moved = ItemMoved(item="tea-1", title=NASTY, a=0.125, b=0.5)
    share = Figure(model="a and b", metric="slates", value=0.42, low=0.40, high=0.44)
    drifted = Drifted(
        name="recency_days",
        kind="feature",
        a=3.0,
        b=12.0,
        psi=0.314,
        ks=0.2,
        noise=0.05,
        movement="drifted",
    )
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return Comparison(
        a="recommender/11",
        b="recommender/12",
        model="recommender",
        mark="better",
        verdict="recommender/12 is better.",
        note="<note>",
        customers=120,
        headline=("explore/ndcg_20",),
        metrics=(paired("explore/ndcg_20", 0.05), paired("repeat/recall_4", -0.05)),
        slices=(Slice(name="new", customers=40, found=paired("explore/ndcg_20", -0.02)),),
        slates=Slates(
            customers=100,
            overlap=Overlap(size=2, share=share, customers=(10, 20, 70)),
            gained=(moved,),
            lost=(),
            groups=(GroupMoved(name="heavy", customers=33, changed=0.61),),
            examples=(example,),
        ),
        calibration=(
            Curve(version="recommender/11", said=(0.1, 0.4), came=(0.2, 0.3)),
            Curve(version="recommender/12", said=(0.1, 0.5), came=(0.1, 0.5)),
        ),
        drift=Drift(
            lake=(3, None),
            as_of=(moment, moment),
            moved_at=0.1,
            drifted_at=0.25,
            found=(drifted,),
            note="read from elsewhere",
        ),
        costs=(
            Cost(name="fit_seconds", a=1.5, b=None),
            Cost(name="bundle_bytes", a=1234567.0, b=2.0),
        ),
        facts={"<b>fact</b>": ("<i>one</i>", "two")},
    )


class Page(HTMLParser):
    """Reads a page as a browser does, and remembers what does not fit.

    Attributes:
        problems: Tags that were not closed, or closed and not open.
        outside: Values of attributes that fetch something.
        ids: Of all elements.
        text: All of it, in one line.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.outside: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self._open: list[str] = []
        self._words: list[str] = []
        self.feed(page)
        self.close()
        self.problems += [f"<{tag}> is not closed" for tag in self._open]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"src", "href", "srcset", "data", "action"}:
                self.outside.append(str(value))
            if name == "id":
                self.ids.append(str(value))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.problems.append(f"</{tag}> at line {self.getpos()[0]}")

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self._words.append(data)
