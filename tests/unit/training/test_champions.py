from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from sqlalchemy.exc import OperationalError

from features.errors import (
    BundleError,
    GateRefused,
    InvalidArgument,
    Refused,
    RegistryUnavailable,
)
from tests.unit.training.home import registry
from training import champions
from training.champions import Act
from training.metrics import Interval
from training.register import (
    CHALLENGER,
    CHAMPION,
    Candidate,
    DataVersion,
    Entry,
    fetch,
    register,
    verdict_of,
)
from training.reports import Check, Verdict
from training.tracking import Tracking
from training.verdicts import without_champion

AT = datetime(2026, 3, 1, tzinfo=UTC)
NOBODY = "rfm_logistic"
Add = Callable[..., str]
VERDICT = Verdict(
    passed=True,
    against=NOBODY,
    metric="log_loss",
    difference=-0.02,
    low=-0.03,
    high=float("nan"),
    reason="the reason",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("registry")
    for name in ("bundle", "judged"):
        (made / name).mkdir()
        (made / name / "manifest.json").write_text("{}")
    return made


@pytest.fixture(scope="module")
def tracking(folder: Path) -> Tracking:
    (folder / "mlflow.db").write_bytes(registry())
    return Tracking(f"sqlite:///{folder}/mlflow.db", folder / "artifacts")


def add(
    tracking: Tracking,
    folder: Path,
    against: str,
    *,
    passed: bool = True,
    checks: tuple[Check, ...] = (),
) -> str:
    """Register a churn model; its number."""
    verdict = msgspec.structs.replace(VERDICT, passed=passed, against=against, checks=checks)
    entry = Entry(
        model="churn",
        algorithm="blend",
        folders={name: folder / name for name in ("bundle", "judged")},
        params={"leaves": 15},
        metrics={"auc": Interval(0.8, 0.7, 0.9), "unknown": Interval(*[float("nan")] * 3)},
        data=DataVersion(str(folder), 4, AT, AT, "ab" * 32),
        verdict=verdict,
        at=AT,
        inputs={"recency_days": "number"},
        candidates={"rfm_logistic": Candidate({"auc": Interval(0.7, 0.6, 0.8)}, {"leaves": 1})},
    )
    return register(tracking, entry)[0]


def promote(tracking: Tracking, number: str, *, force: bool = False, reason: str = "") -> str:
    act = Act("homing promote", AT, reason)
    done = champions.promote(tracking, "churn", number, act, force=force)
    return f"{done.former} -> {done.version}"


def test_champions_change_by_the_gate_alone_and_go_back_again(
    tracking: Tracking, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = add(tracking, folder, NOBODY)
    assert tracking.alias("churn", CHALLENGER) == first
    assert tracking.alias("churn", CHAMPION) is None
    assert promote(tracking, first) == "None -> churn/1"
    assert tracking.alias("churn", CHALLENGER) is None
    with pytest.raises(Refused, match="no champion before it"):
        champions.rollback(tracking, "churn", Act("homing rollback", AT))

    second = add(tracking, folder, "churn/1")
    stale = add(tracking, folder, "churn/1")
    assert promote(tracking, second) == "churn/1 -> churn/2"
    with pytest.raises(GateRefused, match="against churn/1, and the champion is churn/2 now"):
        promote(tracking, stale)
    assert promote(tracking, stale, force=True, reason="trust me") == "churn/2 -> churn/3"

    for expected in ("2", "1"):  # again goes further back
        champions.rollback(tracking, "churn", Act("homing rollback", AT, "it was bad"))
        assert tracking.alias("churn", CHAMPION) == expected
    history = champions.promotions(tracking, "churn")
    assert history.champion == "churn/1"
    told = {(version, one.did, one.former, one.forced) for version, one in history.changes}
    assert told == {
        ("churn/1", "promote", None, False),
        ("churn/2", "promote", "1", False),
        ("churn/3", "promote", "2", True),
        ("churn/2", "rollback", "3", False),
        ("churn/1", "rollback", "2", False),
    }
    assert capfd.readouterr() == ("", "")  # MLflow keeps its migrations to itself


def test_a_champion_that_could_not_be_read_may_be_replaced_unbeaten(
    tracking: Tracking, folder: Path
) -> None:
    first = add(tracking, folder, NOBODY)
    promote(tracking, first, force=True, reason="for the test")
    verdict = without_champion(VERDICT, f"churn/{first}", BundleError("of another form"))
    assert verdict.reason == (
        f"the reason; churn/{first} is champion and can't be read by this version of Homing "
        "(of another form): judged as though there were none"
    )
    second = add(tracking, folder, NOBODY, checks=verdict.checks)
    assert promote(tracking, second) == f"churn/{first} -> churn/{second}"
    third = add(tracking, folder, NOBODY, checks=verdict.checks)
    with pytest.raises(GateRefused, match=f"the champion is churn/{second} now"):
        promote(tracking, third)


def test_what_did_not_pass_is_refused_with_the_gates_reason(
    tracking: Tracking, folder: Path
) -> None:
    number = add(tracking, folder, NOBODY, passed=False)
    with pytest.raises(GateRefused, match="did not pass the gate: the reason"):
        promote(tracking, number)


def test_a_challenger_waits_while_another_version_is_promoted(
    tracking: Tracking, folder: Path
) -> None:
    number, newest = (add(tracking, folder, NOBODY) for _ in range(2))
    promote(tracking, number, force=True, reason="for the test")
    assert tracking.alias("churn", CHALLENGER) == newest


def test_a_champion_that_is_promoted_again_stays(tracking: Tracking, folder: Path) -> None:
    number = add(tracking, folder, NOBODY)
    promote(tracking, number, force=True, reason="for the test")
    assert promote(tracking, number) == f"None -> churn/{number}"


def test_the_verdict_and_the_data_version_are_kept_with_the_version(
    tracking: Tracking, folder: Path
) -> None:
    tags = dict(tracking.version("churn", add(tracking, folder, NOBODY)).tags)
    kept = verdict_of(tags)
    assert kept is not None
    assert (kept.passed, kept.difference, kept.reason) == (True, -0.02, "the reason")
    assert tags["data.lake_version"] == "4"
    assert verdict_of({}) is None


def test_both_twins_can_be_fetched_and_nothing_else(
    tracking: Tracking, folder: Path, tmp_path: Path
) -> None:
    number = add(tracking, folder, NOBODY)
    for part in ("bundle", "judged"):
        found = fetch(tracking, ("churn", number), part, tmp_path / part)
        assert (found / "manifest.json").read_text() == "{}"
    with pytest.raises(BundleError, match="no artifacts/secret"):
        fetch(tracking, ("churn", number), "secret", tmp_path / "s")
    files = [path.suffix for path in (folder / "artifacts").rglob("*") if path.is_file()]
    assert not {".pkl", ".pickle", ".joblib"} & set(files)


def test_an_unknown_version_is_unavailable(tracking: Tracking) -> None:
    with pytest.raises(RegistryUnavailable, match="999"):
        tracking.version("churn", "999")


@pytest.mark.parametrize(
    "text", ["", "12x", "other/1", "churn/x", "churn@latest", "churn/1@champion"]
)
def test_what_is_no_version_is_refused(tracking: Tracking, text: str) -> None:
    with pytest.raises(InvalidArgument, match="write it like recommender/12"):
        champions.parse_version(text, tracking)


def test_versions_can_be_written_shortly(tracking: Tracking, folder: Path) -> None:
    newest = add(tracking, folder, NOBODY)
    assert champions.parse_version("churn", tracking) == ("churn", newest)
    assert champions.parse_version("churn/7", tracking) == ("churn", "7")
    assert champions.parse_version("12", tracking) == ("recommender", "12")
    with pytest.raises(RegistryUnavailable, match="no champion yet"):
        champions.parse_version("champion", tracking)


def test_a_registry_that_is_down_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(RegistryUnavailable, match="does not answer"):
        Tracking("bogus://nowhere", tmp_path).alias("churn", CHAMPION)


def test_what_mlflows_own_libraries_raise_is_declared_with_a_cure(tracking: Tracking) -> None:
    full = OperationalError("SELECT 1", {}, Exception("disk I/O error"))
    with pytest.raises(RegistryUnavailable, match="HOMING_TRACKING_URL"), tracking.client():
        raise full
