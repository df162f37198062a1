"""What tuning works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from features.clock import Clock, SystemClock
from training.tracking import Tracking


@dataclass(frozen=True)
class Budget:
    """When a study ends; its starts are tried whatever it is.

    Attributes:
        seconds: Of fitting and scoring, earlier sittings included; the trial during which they
            run out is finished.
        trials: At most so many, earlier sittings included; any number when None.
    """

    seconds: float
    trials: int | None = None


@dataclass(frozen=True)
class Bench:
    """What tuning works with.

    Attributes:
        home: Folder of notes, by which an interrupted tuning goes on; the notes of other data
            versions are dropped from it.
        budget: Of all algorithms together in seconds; of each in trials.
        tracking: Where trials are logged; nowhere when None.
        tags: Of the runs: the data version.
        clock: Tells when a trial ended.
    """

    home: Path
    budget: Budget
    tracking: Tracking | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=SystemClock)
