"""The time that a training looks at: fitted before the cutoff, judged from there to the end."""

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


@dataclass(frozen=True)
class Span:
    """A stretch of history at one version of the lake.

    Attributes:
        first: The earliest purchase.
        end: Just after the latest purchase that is not in the future; what "now" is to training,
            so that a history which ended long ago is trained on like a live one.
        holdout: Length of the held-out time before `end`.
        lake_version: Of the table of events.
    """

    first: datetime
    end: datetime
    holdout: timedelta
    lake_version: int

    @property
    def cutoff(self) -> datetime:
        """Where held-out time begins: nothing from here on is seen by what is judged."""
        return self.end - self.holdout

    def unseen_since(self, seen: datetime) -> Span:
        """The same history with only those of the held-out days that are not before `seen`."""
        return replace(self, holdout=max(min(self.holdout, self.end - seen), timedelta(0)))


def span_of(lake: Lake, holdout: timedelta, clock: Clock) -> Span:
    """The span of a lake's newest version.

    Raises:
        LakeMissing: There is no history.
        LakeUnavailable: It can't be read.
        NotEnoughData: There is no purchase, or history is not longer than the held-out time.
    """
    version = lake.version()
    engine = open_engine()
    with closing(engine.con), declared(lake.root):
        events = lake.events(engine, version)
        past = (events[c.TYPE] == EventType.PURCHASE.value) & (events[c.OCCURRED_AT] <= clock.now())
        moments = events.filter(past)[c.OCCURRED_AT]
        ends = moments.as_table().aggregate(first=moments.min(), last=moments.max())
        found = ends.to_pyarrow().to_pylist()[0]
    if found["first"] is None:
        message = "no purchase in the lake: models are trained on purchases; import some history"
        raise NotEnoughData(message)
    first, last = (found[name].astimezone(UTC) for name in ("first", "last"))
    # Whole seconds, as profiles keep them: bundle and profile agree on what was before T.
    span = Span(first, last.replace(microsecond=0) + timedelta(seconds=1), holdout, version)
    if span.cutoff <= first:
        message = (
            f"history runs from {first:%Y-%m-%d} to {last:%Y-%m-%d}, and the last {holdout.days} "
            "days are held out to judge models: import more, or lower HOMING_HOLDOUT_DAYS"
        )
        raise NotEnoughData(message)
    return span
