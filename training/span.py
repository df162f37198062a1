"""The time that a training looks at: fitted, a gap, then judged from the cutoff to the end.

A model that answers a mail was fitted some time before: last night, or longer ago. So what is
judged is fitted on what happened before `fit_until`, while the histories that it is asked about run
on to the cutoff, as profiles do.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from features import columns as c
from features.clock import Clock
from features.engine import declared, open_engine
from features.errors import NotEnoughData
from features.event import EventType
from features.lake import Lake
from features.persons import acts


@dataclass(frozen=True)
class Span:
    """A stretch of history at one version of the lake.

    Attributes:
        first: The earliest purchase.
        end: Just after the latest purchase that is not in the future; what "now" is to training,
            so that a history which ended long ago is trained on like a live one.
        holdout: Length of the held-out time before `end`.
        lake_version: Of the table of events.
        gap: How old a model is when held-out time begins.
    """

    first: datetime
    end: datetime
    holdout: timedelta
    lake_version: int
    gap: timedelta = timedelta(0)

    @property
    def cutoff(self) -> datetime:
        """Where held-out time begins: nothing from here on is seen by what is judged."""
        return self.end - self.holdout

    @property
    def fit_until(self) -> datetime:
        """What is judged is fitted on events before this moment, a gap before the cutoff."""
        return self.cutoff - self.gap

    def unseen_since(self, seen: datetime) -> Span:
        """The same history with only those of the held-out days that are not before `seen`."""
        return replace(self, holdout=max(min(self.holdout, self.end - seen), timedelta(0)))


def span_of(lake: Lake, holdout: timedelta, clock: Clock, gap: timedelta = timedelta(0)) -> Span:
    """The span of a lake's newest version.

    Args:
        lake: History.
        holdout: How much of its end judges.
        clock: Tells the time.
        gap: How much before that is not fitted on.

    Raises:
        LakeMissing: There is no history.
        LakeUnavailable: It can't be read.
        NotEnoughData: There is no purchase, or history is not longer than held-out time and gap.
    """
    version = lake.version()
    engine = open_engine()
    with closing(engine.con), declared(lake.root):
        events = acts(lake.events(engine, version))
        past = (events[c.TYPE] == EventType.PURCHASE.value) & (events[c.OCCURRED_AT] <= clock.now())
        moments = events.filter(past)[c.OCCURRED_AT]
        ends = moments.as_table().aggregate(first=moments.min(), last=moments.max())
        found = ends.to_pyarrow().to_pylist()[0]
    if found["first"] is None:
        message = "no purchase in the lake: models are trained on purchases; import some history"
        raise NotEnoughData(message)
    first, last = (found[name].astimezone(UTC) for name in ("first", "last"))
    # Whole seconds, as profiles keep them: bundle and profile agree on what was before T.
    span = Span(first, last.replace(microsecond=0) + timedelta(seconds=1), holdout, version, gap)
    if span.fit_until <= first:
        message = (
            f"history runs from {first:%Y-%m-%d} to {last:%Y-%m-%d}, and the last {holdout.days} "
            f"days are held out to judge models, with {gap.days} days before them left out: "
            "import more, or lower HOMING_HOLDOUT_DAYS"
        )
        raise NotEnoughData(message)
    return span
