"""`/admin/letters`: dead letters in a browser, for who has a key with the scope `admin`.

A browser shows the key by Basic, and would show it for other sites' forms too: what changes
anything is taken from these pages alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from features.errors import Forbidden, HomingError, InvalidArgument, NotFound
from features.letters import Letters, Said, Wanted
from features.repairs import is_packed, parse_repair, repaired
from features.sources.again import name_of
from features.stores.codec import decode_event
from features.stores.ports import DeadLetter
from serving.keys import Scope
from serving.web.body import read_body
from serving.web.drawn import drawn
from serving.web.gate import Gate
from serving.web.middleware import Named

PATH: Final = "/admin/letters"
LISTED: Final = 100
MOST_SENT: Final = 1_000
"""Letters that one click sends again."""
MOST_EDITED: Final = 100_000
"""Bytes of a letter that a form can hold; the command line takes any."""
MOST_SHOWN: Final = 4_096
"""Bytes that are shown of what is no text."""
_FIELDS: Final = 20


class LettersPage:
    """The routes.

    Args:
        letters: Looks and does.
        gate: Lets in.
    """

    def __init__(self, letters: Letters, gate: Gate) -> None:
        self._letters = letters
        self._gate = gate

    def routes(self) -> list[Named]:
        """What to mount."""
        return [
            Named(PATH, self.all, methods=["GET"], include_in_schema=False),
            Named(PATH, self.send_all, methods=["POST"], include_in_schema=False),
            Named(PATH + "/{number}", self.one, methods=["GET"], include_in_schema=False),
            Named(PATH + "/{number}", self.act, methods=["POST"], include_in_schema=False),
        ]

    async def all(self, request: Request) -> Response:
        """The letters of a filter, the oldest first."""
        self._gate.admit(request.scope, Scope.ADMIN)
        given = dict(request.query_params)
        wanted, after = _wanted(given), _number(given.get("after", "0"))
        found = await run_in_threadpool(lambda: list(self._letters.find(wanted, LISTED + 1, after)))
        shown, more = found[:LISTED], len(found) > LISTED
        view = {
            "given": {name: given.get(name, "") for name in ("source", "reason", "since", "until")},
            "letters": [_row(letter) for letter in shown],
            "more": urlencode({**given, "after": shown[-1].id}) if more else "",
            "said": given.get("said", ""),
        }
        return drawn("letters.html", view)

    async def send_all(self, request: Request) -> Response:
        """Send all letters of a filter that can be read now."""
        form = await self._form(request)
        wanted = _wanted(form)

        def send() -> int:
            sent = 0
            for letter in list(self._letters.find(wanted, MOST_SENT)):
                said = self._letters.read(letter)
                if not said.reason:
                    self._letters.send(letter, said)
                    sent += 1
            return sent

        return _to_list(form, f"{await run_in_threadpool(send):,} sent again")

    async def one(self, request: Request) -> Response:
        """A letter, and what it says now."""
        self._gate.admit(request.scope, Scope.ADMIN)
        return await run_in_threadpool(self._shown, request.path_params["number"], {})

    async def act(self, request: Request) -> Response:
        """Try a repair, send or drop a letter."""
        form = await self._form(request)
        return await run_in_threadpool(self._acted, request.path_params["number"], form)

    def _acted(self, number: str, form: Mapping[str, str]) -> Response:
        letter = self._letters.one(_number(number))
        action = form.get("action", "")
        if action == "drop":
            self._letters.drop([letter])
            return _to_list({}, f"{letter.id} dropped")
        said = self._read(letter, form)
        if action != "send" or said.reason:
            return self._shown(number, form)
        self._letters.send(letter, said)
        return _to_list({}, f"{letter.id} sent again")

    def _read(self, letter: DeadLetter, form: Mapping[str, str]) -> Said:
        """What a letter says with what the form changes of it."""
        # A form's text has other ends of lines: bytes that nobody edited are those that came.
        edited = form.get("edited") == "yes"
        body = form.get("body", "").encode() if edited else letter.body
        try:
            if form.get("repair", "").strip():
                repair = parse_repair(form["repair"], "repair")
                body = repaired(body, repair, packed=is_packed(letter.body))
            return self._letters.read(letter, body)
        except HomingError as error:
            return Said(reason=str(error))

    def _shown(self, number: str, form: Mapping[str, str]) -> Response:
        letter = self._letters.one(_number(number))
        said = self._read(letter, form)
        text = _text(letter)
        view = {
            "letter": _row(letter),
            "origin": letter.source,
            "body": form.get("body") or text,
            "hex": letter.body[:MOST_SHOWN].hex(" ", 2) if text is None else "",
            "repair": form.get("repair", ""),
            "edited": form.get("edited") == "yes",
            "now": said.reason,
            "events": [repr(decode_event(entry)) for entry in said.entries],
            "items": [item.id for item in said.items],
        }
        return drawn("letter.html", view)

    async def _form(self, request: Request) -> dict[str, str]:
        """A form of these pages.

        Raises:
            Forbidden: It is of another site's page.
            InvalidArgument: It is none.
        """
        self._gate.admit(request.scope, Scope.ADMIN)
        site = request.headers.get("sec-fetch-site")
        if site != "same-origin" and (site is not None or "origin" in request.headers):
            message = "another site's page asks for this: open /admin/letters and do it there"
            raise Forbidden(message)
        body = await read_body(request)
        try:
            return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS))
        except ValueError as error:
            value, cure = f"{len(body)} bytes", "send the page's own form"
            raise InvalidArgument.of(value, field="form", reason="not one", cure=cure) from error


def _wanted(given: Mapping[str, str]) -> Wanted:
    since, until = (_moment(given.get(name, ""), name) for name in ("since", "until"))
    return Wanted((), given.get("source", ""), given.get("reason", ""), since, until)


def _moment(text: str, field: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    except ValueError as error:
        cure = "write it like 2026-01-30T12:00"
        raise InvalidArgument.of(text, field=field, reason="no time", cure=cure) from error


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # noqa: PLR2004 - digits
        reason, cure = "no such dead letter", "see /admin/letters for those there are"
        raise NotFound.of(text, field="id", reason=reason, cure=cure)
    return int(text)


def _row(letter: DeadLetter) -> dict[str, object]:
    return {
        "id": letter.id,
        "source": name_of(letter.source),
        "at": f"{datetime.fromtimestamp(letter.at, UTC):%Y-%m-%d %H:%M:%S}",
        "size": len(letter.body),
        "reason": letter.reason,
    }


def _text(letter: DeadLetter) -> str | None:
    """A letter as a form can hold it; None when it is no text, or too long."""
    if len(letter.body) > MOST_EDITED or is_packed(letter.body):
        return None
    try:
        return letter.body.decode()
    except UnicodeDecodeError:
        return None


def _to_list(form: Mapping[str, str], said: str) -> Response:
    told = {name: form[name] for name in ("source", "reason", "since", "until") if form.get(name)}
    return RedirectResponse(f"{PATH}?{urlencode({**told, 'said': said})}", status_code=303)
