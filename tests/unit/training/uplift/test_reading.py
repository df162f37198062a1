from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from features.errors import InvalidArgument, NotEnoughData
from training.uplift import reading
from training.uplift.reading import read_campaign

ROWS = 600
RANDOM = np.random.default_rng(4)
ARM = np.repeat(["Control", "red", "blue"], ROWS // 3)
COLUMNS = {
    "got": pa.array(ARM),
    "visit": pa.array(np.tile([0, 1], ROWS // 2)),
    "age": pa.array([None, *RANDOM.normal(40, 9, ROWS - 1)]),
    "member": pa.array(RANDOM.random(ROWS) < 0.5),
    "town": pa.array(RANDOM.choice(["York", "Bath"], ROWS)).dictionary_encode(),
    "id": pa.array([f"c-{row}" for row in range(ROWS)]),
    "country": pa.array(["GB"] * ROWS),
}


def write(tmp_path: Path, **changed: pa.Array) -> Path:
    path = tmp_path / "campaign.parquet"
    pq.write_table(pa.table({**COLUMNS, **changed}), path)
    return path


def test_columns_become_features_and_the_control_is_found(tmp_path: Path) -> None:
    campaign = read_campaign(write(tmp_path), arm="got", outcome="visit")
    assert list(campaign.arms) == ["Control", "blue", "red"]
    assert campaign.shares.tolist() == pytest.approx([1 / 3] * 3)
    assert campaign.outcome[:4].tolist() == [0, 1, 0, 1]
    assert list(campaign.names) == ["age", "member", "town=Bath", "town=York"]
    assert np.isnan(campaign.features[0, 0])
    assert set(campaign.features[:, 2] + campaign.features[:, 3]) == {1.0}
    assert set(campaign.left_out) == {"id", "country"}


def test_a_csv_file_says_the_same(tmp_path: Path) -> None:
    columns = {**COLUMNS, "town": COLUMNS["town"].cast(pa.string())}
    pa_csv.write_csv(pa.table(columns), tmp_path / "campaign.csv")
    one = read_campaign(tmp_path / "campaign.csv", arm="got", outcome="visit")
    other = read_campaign(write(tmp_path), arm="got", outcome="visit")
    assert one.names == other.names
    assert np.array_equal(one.features, other.features, equal_nan=True)


def test_columns_to_ignore_are_no_features(tmp_path: Path) -> None:
    path = write(tmp_path)
    campaign = read_campaign(
        path, arm="got", outcome="visit", control="red", ignore=["age", "id", "town"]
    )
    assert list(campaign.names) == ["member"]
    assert campaign.arms[0] == "red"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"arm": "gut"}, r"column = 'gut': not in the file; choose among got, visit, age"),
        ({"arm": "id"}, r"arm = 'id': 600 different arms; give a column of 2 to 10"),
        ({"arm": "country"}, r"arm = 'country': 1 different arms"),
        ({"arm": "age"}, r"arm = 'age': 1 rows have no arm"),
        ({"arm": "town"}, r"control = None: can't tell which arm got nothing; name it with"),
        ({"control": "green"}, r"control = 'green': no arm of this file; name it with --control"),
        ({"outcome": "id"}, r"outcome = 'id': not numbers; give a column of numbers"),
        ({"outcome": "age"}, r"outcome = 'age': 1 rows have no number; write 0 where"),
        (
            {"ignore": ["age", "member", "town"]},
            r"features = 0: no column is left as a feature",
        ),
    ],
)
def test_what_can_not_be_used_is_named_with_its_cure(
    tmp_path: Path, given: dict[str, object], says: str
) -> None:
    with pytest.raises(InvalidArgument, match=says):
        read_campaign(write(tmp_path), **{"arm": "got", "outcome": "visit", **given})  # type: ignore[arg-type] # one of each


def test_a_small_arm_is_not_enough(tmp_path: Path) -> None:
    arm = pa.array(["few"] * 99 + ["red"] * (ROWS - 99))
    with pytest.raises(NotEnoughData, match="arm 'few' has 99 customers: 100 are needed"):
        read_campaign(write(tmp_path, got=arm), arm="got", outcome="visit", control="red")


@pytest.mark.parametrize("name", ["missing.csv", "broken.parquet", "broken.csv"])
def test_a_file_that_is_none_is_a_declared_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"no parquet")
    (tmp_path / "broken.csv").write_bytes(b"")
    with pytest.raises(InvalidArgument, match="give a CSV file with a header, or a Parquet file"):
        read_campaign(tmp_path / name, arm="got", outcome="visit")


def test_a_file_beyond_the_limits_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_ROWS", ROWS - 1)
    with pytest.raises(InvalidArgument, match="600 rows, 7 columns': more than 599 rows"):
        read_campaign(write(tmp_path), arm="got", outcome="visit")


@pytest.mark.parametrize(
    "after",
    [
        pa.array((ARM == "red") & (RANDOM.random(ROWS) < 0.2)),  # bought, because of the mail
        pa.array((ARM == "red") * 1.0),  # says who got it
    ],
)
def test_what_was_measured_after_the_mail_is_no_feature(tmp_path: Path, after: pa.Array) -> None:
    path = write(tmp_path, bought=after)
    with pytest.raises(InvalidArgument, match="'bought': differs between the arms"):
        read_campaign(path, arm="got", outcome="visit")
