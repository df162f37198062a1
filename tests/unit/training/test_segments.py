import numpy as np
import pytest

from training.segments import segments


@pytest.mark.parametrize(
    ("recency", "days", "quarter", "gap", "first", "expected"),
    [
        (300, 0, 0, 10, 300, "new"),
        (10, 1, 1, 10, 10, "new"),
        (5, 40, 13, 10, 300, "loyal"),
        (5, 40, 4, 10, 300, "regular"),
        (29, 5, 2, 10, 300, "occasional"),
        (31, 5, 2, 5, 300, "lapsing"),
        (31, 5, 2, 20, 300, "occasional"),
        (80, 1, 1, 0, 300, "occasional"),
        (91, 1, 0, 0, 300, "lapsing"),
        (181, 40, 0, 100, 300, "lapsed"),
    ],
)
def test_the_first_rule_that_fits_decides(
    recency: float, days: float, quarter: float, gap: float, first: float, expected: str
) -> None:
    features = {
        "recency_days": recency,
        "purchase_days": days,
        "purchase_days_91d": quarter,
        "gap_mean_days": gap,
        "buying_days": first,
    }
    columns = {name: np.array([float(value)]) for name, value in features.items()}
    assert segments(columns) == [expected]
