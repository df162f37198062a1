"""The command line: each command translates its words into one call and the answer into lines.

Exit status: 0 done, 1 refused or failed with one clear line, 2 wrong usage. What a command needs
is imported inside it, so that the image that serves has to hold no training library.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from features.errors import HomingError, MissingExtra
from features.logs import configure_logs
from features.settings import load_settings
from homing.key import keys_app
from homing.output import Output
from homing.override import override_app
from homing.process import at_once, stopped_by_signals

app = typer.Typer(
    name="homing",
    help="Recommendations for e-mail: import history, train, publish, serve.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(keys_app, name="key")
app.add_typer(override_app, name="override")

EXTRAS: Final = {
    "deltalake": "ingest",
    "pyarrow": "ingest",
    "fastapi": "serve",
    "starlette": "serve",
    "uvicorn": "serve",
    "httptools": "serve",
    "uvloop": "serve",
    "duckdb": "train",
    "ibis": "train",
    "implicit": "train",
    "matplotlib": "train",
    "sklearn": "train",
    "mlflow": "train",
    "optuna": "train",
    "scipy": "train",
}
"""Library that an image may lack → the extra that brings it."""

YEAR: Final = 365 * 24 * 3_600
"""Seconds; nobody waits longer."""
MOST_PORT: Final = 65_535

Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]
Tune = Annotated[
    float | None,
    typer.Option(
        "--tune", metavar="SECONDS", help="Look for better recipes so long.", min=0, max=YEAR
    ),
]


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the first answers.")] = False,
    port: Annotated[
        int, typer.Option(help="Port of the scorer on this machine.", min=0, max=MOST_PORT)
    ] = 8000,
) -> None:
    """Run the whole loop on a year of 2,469 households and show a mail for each."""
    from homing.demo import run_demo

    run_demo(once=once, port=port)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on.", min=0, max=MOST_PORT)
    ] = None,
) -> None:
    """Answer templates; with the embedded event log, fold events too."""
    from serving.settings import ServeSettings
    from serving.start import serve as run

    given = {"host": host, "port": port}
    settings = load_settings(
        ServeSettings, **{name: value for name, value in given.items() if value is not None}
    )
    configure_logs(settings.log_level)
    run(settings)


@app.command()
def ingest() -> None:
    """Fold events from the log into profiles and the lake, until stopped."""
    from features.ingest import run_ingest
    from features.settings import Settings

    settings = load_settings(Settings)
    configure_logs(settings.log_level)
    run_ingest(settings, stopped_by_signals())


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV, Parquet or a folder of a Delta table.")],
    mapping: Annotated[Path, typer.Option(help="TOML file: which column is what.")],
    as_json: Json = False,
) -> None:
    """Bring history from a file into the lake and the profiles."""
    from features.settings import Settings
    from homing.importing import import_history, import_lines

    output = Output(as_json=as_json)
    report = import_history(load_settings(Settings), file, mapping, output.stages.stage)
    output.answer(report, import_lines(report))


@app.command(name="sync")
def sync_(
    name: Annotated[str, typer.Argument(help="A source: one that is ready, or of the folder.")],
    as_json: Json = False,
) -> None:
    """Fetch what is new at another system into the lake and the profiles."""
    from features.clock import SystemClock
    from homing.sync.command import sync, sync_lines
    from homing.sync.settings import SyncSettings

    output = Output(as_json=as_json)
    settings = load_settings(SyncSettings)
    report = sync(settings, name, os.environ, SystemClock(), output.stages.stage)
    output.answer(report, sync_lines(report))


@app.command(name="follow")
def follow_(
    name: Annotated[str, typer.Argument(help="A feed of HOMING_FOLLOWS_FOLDER.")],
    as_json: Json = False,
) -> None:
    """Take what another system tells as it happens into the event log, until stopped."""
    from features.clock import SystemClock
    from homing.follow.command import follow
    from homing.follow.settings import FollowSettings

    settings = load_settings(FollowSettings)
    configure_logs(settings.log_level)
    report = follow(settings, name, os.environ, SystemClock(), stopped_by_signals())
    Output(as_json=as_json).answer(report, report.lines())


@app.command()
def train(tune: Tune = None, as_json: Json = False) -> None:
    """Make, judge and register models; promote nothing."""
    from homing.show import at_longest, figures_table, train_lines
    from training import bootstrap
    from training.settings import TrainingSettings

    output = Output(as_json=as_json)
    settings = load_settings(TrainingSettings, **_tuned(tune))
    report = bootstrap.train(settings, output.stages.stage)
    figures = at_longest(report.recommender.figures)
    table = figures_table("Recommenders on held-out time", figures)
    output.answer(report, [table, *train_lines(report)])


@app.command()
def publish(as_json: Json = False) -> None:
    """Write slates and scores of every customer into the profiles."""
    from training import bootstrap
    from training.settings import TrainingSettings

    output = Output(as_json=as_json)
    report = bootstrap.publish(load_settings(TrainingSettings), output.stages.stage)
    line = f"published {report.slates:,} slates for {report.customers:,} customers"
    output.answer(report, [line])


@app.command()
def retrain(tune: Tune = None, as_json: Json = False) -> None:
    """Train, gate, promote and publish; for a schedule."""
    from homing.show import retrain_lines
    from training import bootstrap
    from training.settings import TrainingSettings

    output = Output(as_json=as_json)
    settings = load_settings(TrainingSettings, **_tuned(tune))
    report = bootstrap.retrain(settings, output.stages.stage)
    output.answer(report, retrain_lines(report))


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="Like recommender/11 or recommender@champion.")],
    b: Annotated[str, typer.Argument(help="Another version of the same model.")],
    html: Annotated[Path | None, typer.Option(help="Write a page with plots here.")] = None,
    log: Annotated[
        bool, typer.Option("--log", help="Keep the page with the second version in MLflow.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show two versions of a model side by side."""
    from homing.show import comparison_lines
    from training import bootstrap
    from training.settings import TrainingSettings

    report = bootstrap.compare(load_settings(TrainingSettings), a, b, html, log=log)
    Output(as_json=as_json).answer(report, comparison_lines(report))


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="Like recommender/12.")],
    reason: Annotated[str, typer.Option(help="Kept with the version.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Even what the gate refused.")] = False,
    as_json: Json = False,
) -> None:
    """Make a version the champion."""
    from training import promotions
    from training.settings import TrainingSettings

    settings = load_settings(TrainingSettings)
    with at_once():
        report = promotions.promote(settings, version, reason=reason, force=force)
    Output(as_json=as_json).answer(report, [f"champion: {report.version} ({report.reason})"])


@app.command()
def rollback(
    model: Annotated[str, typer.Argument(help="recommender or churn.")] = "recommender",
    reason: Annotated[str, typer.Option(help="Kept with the version.")] = "",
    as_json: Json = False,
) -> None:
    """Put the former champion back."""
    from training import promotions
    from training.settings import TrainingSettings

    with at_once():
        report = promotions.rollback(load_settings(TrainingSettings), model, reason=reason)
    Output(as_json=as_json).answer(report, [f"champion: {report.version} ({report.reason})"])


@app.command(name="promotions")
def promotions_(
    model: Annotated[str, typer.Argument(help="recommender or churn.")] = "recommender",
    as_json: Json = False,
) -> None:
    """List who became champion, when, by whom, and on what evidence; the newest first."""
    from homing.show import promotions_table
    from training import promotions
    from training.settings import TrainingSettings

    with at_once():
        report = promotions.promotions(load_settings(TrainingSettings), model)
    Output(as_json=as_json).answer(report, [promotions_table(report)])


@app.command()
def uplift(  # noqa: PLR0913, PLR0917 - its options
    file: Annotated[Path, typer.Argument(help="CSV or Parquet: a row for each customer.")],
    arm: Annotated[str, typer.Option(help="Column of what each customer got, by chance.")],
    outcome: Annotated[str, typer.Option(help="Column of what came of it, numbers.")],
    control: Annotated[str | None, typer.Option(help="The arm that got nothing.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="A column that is no feature.")] = None,
    cost: Annotated[list[str] | None, typer.Option(help="ARM=AMOUNT of one mail.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the report here, .png or .svg.")] = None,
    as_json: Json = False,
) -> None:
    """Judge a randomised campaign: who should get which mail, and whether choosing pays."""
    from homing.uplift import run_uplift, uplift_lines
    from training.uplift.reading import read_campaign

    output = Output(as_json=as_json)
    campaign = read_campaign(file, arm=arm, outcome=outcome, control=control, ignore=ignore or ())
    report = run_uplift(campaign, cost or (), plot, output.stages.stage)
    output.answer(report, uplift_lines(report))


@app.command()
def rehearse(  # noqa: PLR0913, PLR0917 - its options
    send: Annotated[Path, typer.Option(help="Recipients: a text or CSV file, - for stdin.")],
    rate: Annotated[float, typer.Option(help="Fetches a second.", min=0.01, max=1e6)] = 100.0,
    block: Annotated[list[str] | None, typer.Option(help="A block; all without any.")] = None,
    url: Annotated[str, typer.Option(help="The scorer's address.")] = "http://127.0.0.1:8000",
    send_id: Annotated[str | None, typer.Option(help="Rehearse under this send's id.")] = None,
    repeat: Annotated[bool, typer.Option("--repeat", help="Fetch twice: same slate?")] = False,
    limit: Annotated[int | None, typer.Option(help="At most so many recipients.", min=1)] = None,
    report: Annotated[Path | None, typer.Option(help="Draw it: .html, .png or .svg.")] = None,
    as_json: Json = False,
) -> None:
    """Play a campaign against a running scorer before it goes out; its key is HOMING_API_KEY."""
    from features.clock import SystemClock
    from features.settings import Settings
    from homing.rehearsal.command import Wish, run_rehearsal
    from homing.rehearsal.report import rehearsal_lines

    output = Output(as_json=as_json)
    wish = Wish(send, rate, tuple(block or ()), url, send_id, repeat, limit, report)
    key, blocks = os.environ.get("HOMING_API_KEY"), load_settings(Settings).blocks_file
    found = run_rehearsal(wish, key, blocks, SystemClock(), output.stages.stage)
    output.answer(found, rehearsal_lines(found))
    if not found.sound:
        raise typer.Exit(1)


@app.command()
def replay(  # noqa: PLR0913, PLR0917 - its options
    number: Annotated[list[int] | None, typer.Option("--id", help="A letter; may repeat.")] = None,
    source: Annotated[str, typer.Option(help="Letters of this source.")] = "",
    reason: Annotated[str, typer.Option(help="Letters with this in their reason.")] = "",
    since: Annotated[datetime | None, typer.Option(help="Buried then or later, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Buried before, UTC.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many letters.", min=1)] = 100,
    show: Annotated[bool, typer.Option("--show", help="With what they hold.")] = False,
    save: Annotated[Path | None, typer.Option(help="Write the one letter's bytes here.")] = None,
    body: Annotated[Path | None, typer.Option(help="Bytes instead of the one letter's.")] = None,
    repair: Annotated[Path | None, typer.Option(help="TOML file: what to set and remove.")] = None,
    send: Annotated[bool, typer.Option("--send", help="Send again what can be read now.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Give these letters up for good.")] = False,
    as_json: Json = False,
) -> None:
    """List dead letters; with --send, put what can be read back into the event log."""
    from features.letters import Wanted
    from homing.follow.settings import FollowSettings
    from homing.replay import Edit, replay_dead

    spans = [None if at is None else at.replace(tzinfo=UTC) for at in (since, until)]
    wanted = Wanted(tuple(number or ()), source, reason, *spans)
    edit = Edit(show=show, save=save, body=body, repair=repair, send=send, drop=drop)
    settings = load_settings(FollowSettings)
    report = replay_dead(settings, wanted, limit, edit, settings.follows_folder)
    Output(as_json=as_json).answer(report, report.lines())


@app.command()
def compact(
    keep_days: Annotated[
        int, typer.Option(help="Days of time travel to keep.", min=1, max=36_500)
    ] = 7,
    as_json: Json = False,
) -> None:
    """Merge the lake's small files and remove what no reader needs any more."""
    from features.settings import Settings
    from homing.upkeep import compact_lake

    report = compact_lake(load_settings(Settings), keep_days)
    Output(as_json=as_json).answer(report, report.lines())


@app.command()
def check(as_json: Json = False) -> None:
    """Print the settings, redacted, and whether everything they name answers."""
    from homing.upkeep import check_settings

    report = check_settings()
    Output(as_json=as_json).answer(report, report.lines())
    if not report.sound:
        raise typer.Exit(1)


def main() -> None:
    """Run a command; every error becomes one line on standard error and exit status 1.

    What Homing did not declare is a fault of its own: `HOMING_LOG_LEVEL=debug` shows where.
    """
    try:
        app()
    except HomingError as error:
        _end(str(error))
    except Exception as error:
        extra = EXTRAS.get((getattr(error, "name", None) or "").partition(".")[0])
        if isinstance(error, ModuleNotFoundError) and extra is not None:
            _end(str(MissingExtra("this command", extra)))
        if os.environ.get("HOMING_LOG_LEVEL") == "debug":
            raise
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        _end(f"a fault of its own, {what}; HOMING_LOG_LEVEL=debug shows where, please report it")


def _tuned(seconds: float | None) -> dict[str, float]:
    """What `--tune` puts above the environment."""
    return {} if seconds is None else {"tune_seconds": seconds}


def _end(line: str) -> NoReturn:
    sys.stderr.write(f"homing: {line}\n")
    raise SystemExit(1) from None
