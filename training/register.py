"""Registers models in MLflow: what they are, how they did, what they came from, and their files.

A version holds two twins of one recipe: `bundle`, fitted on all history, which serves; and
`judged`, fitted before the held-out time, by which later challengers are compared with it. So a
champion is never judged on days that it was fitted on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from features.errors import RegistryUnavailable
from training.reports import Check, Verdict
from training.tracking import Tracking

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Plot

    from training.metrics import Interval

RECOMMENDER: Final = "recommender"
CHURN: Final = "churn"
MODELS: Final = (RECOMMENDER, CHURN)
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"

BUNDLE: Final = "bundle"
"""The folder that serves; below `artifacts/` of a version."""
JUDGED: Final = "judged"
"""The folder of its twin that was fitted before held-out time."""

LOW: Final = "_low"
HIGH: Final = "_high"
"""How the names of an interval's ends are logged."""
ROLE: Final = "role"
"""The tag that tells `registered` runs from those of a `candidate`."""
NOTE: Final = "mlflow.note.content"
"""The tag that MLflow shows as a run's description, in Markdown."""
MOST_NOTE: Final = 4_000
"""Characters of it: MLflow's databases keep 5,000 of a version's description."""

CODE: Final[Mapping[str, Path]] = {
    RECOMMENDER: Path(__file__).with_name("pyfunc_recommender.py"),
    CHURN: Path(__file__).with_name("pyfunc_churn.py"),
}
REQUIREMENTS: Final = ("homing", "mlflow", "numpy", "pandas", "scipy")
DIGEST: Final = 36
"""Characters that MLflow keeps of a data set's digest."""


@dataclass(frozen=True)
class DataVersion:
    """The history that a model was made from.

    Attributes:
        path: Of the lake's table of events.
        version: Of that table.
        as_of: Events before it were read.
        cutoff: Where held-out time begins: the judged twin was fitted on events before it, and as
            long before as `Span.gap` says.
        checksum: Of what the fit read, hex digits.
    """

    path: str
    version: int
    as_of: datetime
    cutoff: datetime
    checksum: str

    def tags(self) -> dict[str, str]:
        """As a run and a version carry it."""
        return {
            "data.lake": self.path,
            "data.lake_version": str(self.version),
            "data.as_of": self.as_of.isoformat(),
            "data.cutoff": self.cutoff.isoformat(),
            "data.checksum": self.checksum,
        }


@dataclass(frozen=True, eq=False)
class Candidate:
    """An algorithm that was tried.

    Attributes:
        metrics: Metric name → its value on held-out time and the interval.
        params: Of the fit.
    """

    metrics: Mapping[str, Interval]
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Entry:
    """A model that is to be registered.

    Attributes:
        model: `recommender` or `churn`.
        algorithm: What won.
        folders: `BUNDLE` and `JUDGED` → folder on disk, named like the key.
        params: Of the fit.
        metrics: Metric name → value on held-out time and its interval, without `@`.
        data: What it was made from.
        verdict: Of the gate.
        at: When, aware.
        inputs: Column that the notebook's model reads → `texts`, `number` or, where it may be
            left out, `count`.
        candidates: Algorithms that were tried, what won among them.
        costs: What making it took, as `training.costs` names it.
        plots: File name → figure.
        tags: More of them.
    """

    model: str
    algorithm: str
    folders: Mapping[str, Path]
    params: Mapping[str, Any]
    metrics: Mapping[str, Interval]
    data: DataVersion
    verdict: Verdict
    at: datetime
    inputs: Mapping[str, str]
    candidates: Mapping[str, Candidate] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    plots: Mapping[str, Plot] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def version_name(model: str, number: str) -> str:
    """A version as people and answers name it, like `recommender/12`."""
    return f"{model}/{number}"


def register(tracking: Tracking, entry: Entry) -> tuple[str, str]:
    """Log a model and make it the newest version and the challenger; nothing is promoted.

    Args:
        tracking: Where.
        entry: What.

    Returns:
        The version's number and the run's id.

    Raises:
        RegistryUnavailable: MLflow does not answer. A version that was begun is not the
            challenger, and never will be.
    """
    tags = {**_tags(entry), ROLE: "registered", NOTE: note_of(entry)}
    name = f"{entry.algorithm} {entry.data.as_of:%Y-%m-%d}"
    with tracking.run(entry.model, name, tags) as mlflow:
        run = str(mlflow.active_run().info.run_id)
        mlflow.log_params({"algorithm": entry.algorithm, **entry.params})
        mlflow.log_metrics(with_ends(entry.metrics) | finite(entry.costs))
        mlflow.log_input(_dataset(mlflow, entry.data), context="training")
        for file, plot in entry.plots.items():
            mlflow.log_figure(plot, f"plots/{file}")
        mlflow.log_text(
            msgspec.json.format(msgspec.json.encode(entry.verdict)).decode(), CHECKS_FILE
        )
        _log_candidates(tracking, entry)
        logged = _log_model(mlflow, entry)
        number = _add_version(tracking, entry, run, logged)
    return number, run


def _add_version(tracking: Tracking, entry: Entry, run: str, logged: Any) -> str:  # noqa: ANN401 - MLflow's own
    """The new version's number; it is the challenger now."""
    with tracking.client() as client:
        if not client.search_registered_models(f"name = '{entry.model}'", max_results=1):
            client.create_registered_model(entry.model)
        version = client.create_model_version(
            entry.model,
            source=logged.model_uri,
            run_id=run,
            model_id=logged.model_id,
            tags={**_tags(entry), CHECKS: msgspec.json.encode(entry.verdict.checks).decode()},
            description=note_of(entry),
        )
        number = str(version.version)
        client.set_registered_model_alias(entry.model, CHALLENGER, number)
    return number


def _tags(entry: Entry) -> dict[str, str]:
    """What the run and the version both say."""
    verdict = verdict_tags(entry.verdict, entry.at)
    return {
        "algorithm": entry.algorithm,
        "homing.version": version("homing"),
        **entry.data.tags(),
        **entry.tags,
        **verdict,
    }


def with_ends(metrics: Mapping[str, Interval]) -> dict[str, float]:
    """Metrics as they are logged: `m`, `m_low` and `m_high`; the ends where there are any."""
    logged: dict[str, float] = {}
    for name, interval in metrics.items():
        logged[name] = interval.mean
        if interval.low < interval.high:
            logged |= {f"{name}{LOW}": interval.low, f"{name}{HIGH}": interval.high}
    return finite(logged)


def finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """Those that are numbers: a database takes no other."""
    return {name: value for name, value in metrics.items() if abs(value) < float("inf")}


CHECKS: Final = "gate.checks"
"""The tag of a version that holds all that the gate looked at, as JSON."""
CHECKS_FILE: Final = "gate.json"
"""The same, among a run's artifacts."""


def note_of(entry: Entry) -> str:
    """What a person should know of a version first, in Markdown."""
    verdict, data = entry.verdict, entry.data
    word = "passed" if verdict.passed else "refused"
    made = (
        f"**{entry.algorithm}**, made of events before {data.as_of:%Y-%m-%d %H:%M} (lake version "
        f"{data.version}), judged from {data.cutoff:%Y-%m-%d} on."
    )
    gate = f"Gate: **{word}** against {verdict.against}. {verdict.reason}"
    failed = [one for one in verdict.checks if not one.passed]
    checks = f"{len(verdict.checks) - len(failed)} of {len(verdict.checks)} checks passed."
    points = "\n".join(f"- **{one.name}** failed: {one.reason}" for one in failed)
    return "\n\n".join(text for text in (made, gate, checks, points) if text)[:MOST_NOTE]


def verdict_tags(verdict: Verdict, at: datetime) -> dict[str, str]:
    """The gate's decision as a run and a version carry it, whatever it was."""
    return {
        "gate.passed": str(verdict.passed).lower(),
        "gate.against": verdict.against,
        "gate.metric": verdict.metric,
        "gate.difference": repr(verdict.difference),
        "gate.low": repr(verdict.low),
        "gate.high": repr(verdict.high),
        "gate.reason": verdict.reason,
        "gate.at": at.isoformat(),
    }


def verdict_of(tags: Mapping[str, str]) -> Verdict | None:
    """The gate's decision out of a version's tags; None for a version that was never judged."""
    try:
        return Verdict(
            passed=tags["gate.passed"] == "true",
            against=tags["gate.against"],
            metric=tags["gate.metric"],
            difference=float(tags["gate.difference"]),
            low=float(tags["gate.low"]),
            high=float(tags["gate.high"]),
            reason=tags["gate.reason"],
            checks=msgspec.json.decode(tags.get(CHECKS, "[]"), type=tuple[Check, ...]),
        )
    except (KeyError, ValueError, msgspec.DecodeError):
        return None


def fetch(tracking: Tracking, version: tuple[str, str], part: str, into: Path) -> Path:
    """Copy one folder of a version.

    Args:
        tracking: From where.
        version: Registered model and number.
        part: `BUNDLE` or `JUDGED`.
        into: Is made.

    Raises:
        RegistryUnavailable: MLflow does not answer, or has no such version.
        BundleError: The version has no such folder.
    """
    try:
        into.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{into}: can't be made: {error.strerror}"
        raise RegistryUnavailable(message) from error
    return tracking.download(*version, f"artifacts/{part}", into)


def _log_model(mlflow: Any, entry: Entry) -> Any:  # noqa: ANN401 - a module; MLflow's own
    return mlflow.pyfunc.log_model(
        name=entry.model,
        python_model=str(CODE[entry.model]),
        artifacts={name: str(folder) for name, folder in entry.folders.items()},
        pip_requirements=list(REQUIREMENTS),
        signature=_signature(entry.inputs),
        metadata={"algorithm": entry.algorithm, **entry.data.tags()},
    )


def _signature(inputs: Mapping[str, str]) -> Any:  # noqa: ANN401 - MLflow's own
    from mlflow.models.signature import ModelSignature  # noqa: PLC0415 - takes seconds
    from mlflow.types.schema import Array, ColSpec, DataType, Schema  # noqa: PLC0415

    kinds: dict[str, Any] = {
        "texts": Array(DataType.string),
        "number": DataType.double,
        "count": DataType.long,
    }
    columns: list[Any] = [
        ColSpec(kinds[kind], name, required=kind != "count") for name, kind in inputs.items()
    ]
    return ModelSignature(inputs=Schema(columns))


def _log_candidates(tracking: Tracking, entry: Entry) -> None:
    """A small run below the present one for each algorithm that was tried, for MLflow's charts."""
    for algorithm, candidate in entry.candidates.items():
        tags = {"algorithm": algorithm, ROLE: "candidate", **entry.data.tags()}
        name = f"{algorithm} {entry.data.as_of:%Y-%m-%d} (candidate)"
        with tracking.run(entry.model, name, tags) as mlflow:
            mlflow.log_params({"algorithm": algorithm, **candidate.params})
            mlflow.log_metrics(with_ends(candidate.metrics))
            mlflow.log_input(_dataset(mlflow, entry.data), context="training")


def _dataset(mlflow: Any, data: DataVersion) -> Any:  # noqa: ANN401 - a module; MLflow's own
    sources = mlflow.data.dataset_source_registry
    source = sources.resolve_dataset_source(data.path)
    return mlflow.data.meta_dataset.MetaDataset(
        source, name=f"lake events v{data.version}", digest=data.checksum[:DIGEST]
    )
