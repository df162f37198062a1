from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest

from homing import cli


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Red mail makes everybody visit, blue mail nobody more."""
    random = np.random.default_rng(8)
    arm = random.choice(["control", "red", "blue"], 450)
    visit = random.random(450) < np.where(arm == "red", 0.9, 0.2)
    columns = {
        "arm": arm,
        "visit": visit.astype(int),
        "age": random.random(450),
        "one": ["x"] * 450,
    }
    pa_csv.write_csv(pa.table(columns), tmp_path / "campaign.csv")
    return tmp_path / "campaign.csv"


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit status of `homing uplift`."""
    monkeypatch.setattr(
        "sys.argv", ["homing", "uplift", *words, "--arm", "arm", "--outcome", "visit"]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_a_campaign_is_judged_told_and_drawn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    plot = file.with_suffix(".png")
    assert run(monkeypatch, str(file), "--plot", str(plot)) == 0
    shown = capsys.readouterr().out
    assert "450 customers, 1 features" in shown
    assert "left out: one, always the same" in shown
    for word in ("nobody gets mail", "each their own", "decile", "For whom which mail"):
        assert word in shown
    assert "Send everybody red: choosing for each customer is not surely better" in shown
    assert plot.stat().st_size > 10_000


def test_a_machine_gets_one_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    words = ("--json", "--cost", "red=2", "--cost", "blue=2", "--control", "control")
    assert run(monkeypatch, str(file), *words) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["best"], report["beaten"], report["control"]) == ("control", False, "control")
    assert report["values"][0]["robust"].keys() == {"mean", "low", "high"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--cost", "red"), "cost = 'red': not a cost; write ARM=AMOUNT"),
        (("--cost", "red=nan"), "cost = 'red=nan': not a cost; write ARM=AMOUNT"),
        (("--plot", "/nowhere/at/all.png"), "plot = '/nowhere/at/all.png': No such file"),
        (("--plot", "campaign.doc"), "plot = 'campaign.doc': no such picture; name a file that"),
        (("--ignore", "height"), "column = 'height': not in the file"),
    ],
)
def test_what_can_not_be_used_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: Path,
    words: tuple[str, ...],
    says: str,
) -> None:
    assert run(monkeypatch, str(file), *words) == 1
    assert f"homing: {says}" in capsys.readouterr().err
