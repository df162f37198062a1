"""Settings of training and publishing: environment variables `HOMING_…`, on top of the shared."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import Field

from features.settings import Settings

MOST_DAYS: Final = 36_500
"""A century: longer times leave the calendar."""


class TrainingSettings(Settings):
    """How models are made, judged and published.

    Attributes:
        holdout_days: The last days of history, on which models are judged. `HOMING_HOLDOUT_DAYS`.
        gap_days: Days before those on which nothing that is judged is fitted: how old a model is
            when it answers. One, since models are made every night.
        fresh_days: How old history's latest event may be for what replaces a champion.
        algorithms: Those that compete, with commas between; beside them always popularity and the
            blend of all. `ease` is there too: it takes long where items are many.
        tune_seconds: How long better recipes are looked for, all algorithms together; not at all
            when 0.
        churn_horizon_days: Days without a purchase that make a customer count as churned; without
            it, as many whole weeks as 95 of 100 gaps between purchase days.
        churn_active_days: A customer with a purchase in so many days before T can churn at T;
            without it, as many whole weeks as 99 of 100 gaps.
        publish_batch: Customers whose profiles are read and staged at once.
        publish_spare: Stored slates hold so many times the items that their block shows, so that
            an answer can leave out what was bought or sold out since.
    """

    holdout_days: int = Field(default=56, ge=1, le=MOST_DAYS)
    gap_days: int = Field(default=1, ge=0, le=MOST_DAYS)
    fresh_days: int = Field(default=7, ge=1, le=MOST_DAYS)
    algorithms: str = "personal,item_knn,graph_filter,transition,als"
    tune_seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    churn_horizon_days: int | None = Field(default=None, ge=1, le=MOST_DAYS)
    churn_active_days: int | None = Field(default=None, ge=1, le=MOST_DAYS)
    publish_batch: int = Field(default=512, ge=1)
    publish_spare: int = Field(default=3, ge=1)

    @property
    def holdout(self) -> timedelta:
        """`holdout_days` as a length of time."""
        return timedelta(days=self.holdout_days)

    @property
    def gap(self) -> timedelta:
        """`gap_days` as a length of time."""
        return timedelta(days=self.gap_days)

    @property
    def artifacts(self) -> Path:
        """Where the embedded MLflow keeps files."""
        return self.home / "artifacts"
