"""What figures are called and what they say, for readers who do not live with them."""

from __future__ import annotations

import re
from typing import Final

from training.compare.report import Why
from training.evaluate import EXPLORE, REPEAT

SAYS: Final = {
    "ndcg": "how high what was bought stands",
    "recall": "share of what was bought that is shown",
    "precision": "share of what is shown that was bought",
    "map": "precision at each purchase, on average",
    "mrr": "1 / place of the first purchase",
    "hit_rate": "customers with a purchase among what is shown",
    "revenue": "money spent on what is shown, a customer",
    "auc": "how often a case ranks above a non-case",
    "coverage": "share of the catalogue that is shown to anybody",
    "novelty": "how rarely others buy what is shown",
    "diversity": "how unlike each other the shown items are",
    "popularity_lift": "how much more popular than the customer's own taste",
    "recall_again": "recall of what was bought before",
    "ndcg_again": "the same of what was bought before alone",
    "recall_new": "recall of what was never bought before",
    "ndcg_new": "the same of what was never bought before alone",
    "pr_auc": "precision over all thresholds",
    "log_loss": "punishes confident errors; lower is better",
    "brier": "mean squared error; lower is better",
    "ece": "distance of what was said from what came; lower is better",
    "slope": "of what came on what was said: 1 is honest, below is overconfident",
    "intercept": "0 is honest, below says too much",
    "lift": "cases among the highest scores, against chance",
}
"""Metric without its number of places → what it says."""
DESCRIBES: Final = frozenset({"novelty", "diversity", "popularity_lift", "slope", "intercept"})
"""Those of which neither more nor less is better."""
QUESTIONS: Final = {
    EXPLORE: "What the customer had not owned before",
    REPEAT: "Whatever the customer bought next",
}
"""Question → its heading."""
COSTS: Final = {
    "fit_seconds": "seconds to fit",
    "rows": "rows read by the fit",
    "parameters": "numbers in the model",
    "bundle_bytes": "bytes of the bundle",
}
WHY: Final[dict[Why, str]] = {
    "b_finds_more": "{b} finds most more of what was bought",
    "a_finds_more": "{a} finds most more of what was bought",
    "least_in_common": "the slates have least in common",
    "typical": "the slates have as much in common as usual",
    "most_in_common": "the slates have most in common",
}
"""Why a customer is an example."""
_METRIC: Final = re.compile(r"(?:(?P<question>[a-z]+)/)?(?P<base>[a-z_]+?)(?:_(?P<k>[0-9]+))?")


def parted(metric: str) -> tuple[str, str, int | None]:
    """Question ("" without one), name without places, and places of a metric's full name."""
    found = _METRIC.fullmatch(metric)
    if found is None:
        return "", metric, None
    return found["question"] or "", found["base"], int(found["k"]) if found["k"] else None


def judges(metric: str) -> bool:
    """Whether more, or less, of a metric is better; else it only describes."""
    return parted(metric)[1] not in DESCRIBES


def says(metric: str) -> str:
    """What a metric says; "" for one that has no words here."""
    _, base, places = parted(metric)
    words = SAYS.get(base, "")
    return f"{words}, first {places}" if words and places else words
