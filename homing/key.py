"""`homing key`: API keys, signed addresses and customer keys."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer

from features.clock import SystemClock
from features.errors import InvalidArgument
from features.settings import Settings, load_settings
from homing.output import Output
from serving.keys import KeyFile

keys_app = typer.Typer(help="Make, list and revoke API keys; turn customer ids into customer keys.")

Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]


class Revoked(msgspec.Struct, frozen=True):
    """A key that is no longer good."""

    id: str


@keys_app.command()
def create(
    scope: Annotated[
        list[str], typer.Option(help="recommend, events, catalogue or admin; may be repeated.")
    ],
    label: Annotated[str, typer.Option(help="What you call it.")] = "",
    as_json: Json = False,
) -> None:
    """Make a key and show it, this once."""
    created = _key_file().create(label, scope)
    lines = [
        f"key          {created.token}",
        f"signing key  {created.signing_key}",
        "Neither can be shown again.",
    ]
    Output(as_json=as_json).answer(created, lines)


@keys_app.command(name="list")
def list_(as_json: Json = False) -> None:
    """List the keys: ids, scopes and labels, no secret."""
    shown = [
        {"id": key.id, "label": key.label, "scopes": list(key.scopes), "created_at": key.created_at}
        for key in _key_file().all()
    ]
    lines = [f"{key['id']}  {','.join(key['scopes'])}  {key['label']}" for key in shown]
    Output(as_json=as_json).answer(shown, lines or ["no keys yet: homing key create"])


@keys_app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="As `list` shows it.")]) -> None:
    """End a key; running scorers follow within a second."""
    if not _key_file().revoke(key_id):
        raise InvalidArgument.of(
            key_id, field="key", reason="no such key", cure="see `homing key list`"
        )
    Output(as_json=False).answer(Revoked(key_id), [f"revoked {key_id}"])


@keys_app.command()
def customer() -> None:
    """Read customer ids from standard input, one a line, and write their customer keys."""
    # Never as an argument: other users of the machine can read those.
    keys = load_settings(Settings).customer_keys()
    for line in sys.stdin:
        if line.strip():
            sys.stdout.write(keys.resolve(line.strip()) + "\n")


def _key_file() -> KeyFile:
    return KeyFile(load_settings(Settings).resolved_keys_file(), SystemClock())
