"""REST APIs, by dlt's own kind for them (`dlt.sources.rest_api`): pages, tokens, patience.

What fails for a while is asked again, later and later (`homing.patience`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from dlt.extract import DltResource
from dlt.sources.helpers.requests import Session
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from dlt.sources.rest_api import rest_api_resources
from requests import PreparedRequest, Response, exceptions
from tenacity import RetryCallState, Retrying
from tenacity.stop import stop_after_attempt

from features.clock import Clock
from features.errors import InvalidArgument
from homing.declaring import filled
from homing.patience import AGAIN, retry_after, seconds_to_wait
from homing.sync.declared import CURSOR, Auth, Cursor, Rest

ATTEMPTS: Final = 8
BROKEN: Final = (exceptions.ChunkedEncodingError, exceptions.ConnectionError, exceptions.Timeout)
"""What a connection that breaks or hangs is told by."""
_MILLISECONDS: Final = 1e11
"""Numbers above it can't be seconds since 1970."""
TIMEOUT: Final = (10.0, 120.0)
"""Seconds to connect, and to wait for a part of an answer."""


class Waits:
    """How long to wait before asking again.

    Args:
        clock: Tells how far away a date is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, retry_state: RetryCallState) -> float:
        """Seconds."""
        answer = _answer_of(retry_state)
        asked = None if answer is None else self.asked_for(answer.headers.get("Retry-After", ""))
        return seconds_to_wait(retry_state.attempt_number, asked)

    def asked_for(self, header: str) -> float | None:
        """The seconds that a `Retry-After` tells; None when it tells nothing."""
        return retry_after(header, self._clock.now())


def patient_session(clock: Clock, *, lines: bool = False) -> Session:
    """A session that asks again what fails for a while.

    Args:
        clock: Tells how far away a date is.
        lines: Whether answers have a JSON value in each line; they are read as one list.
    """
    session = Session(timeout=TIMEOUT, raise_for_status=False)
    retrying = Retrying(
        wait=Waits(clock),
        stop=stop_after_attempt(ATTEMPTS),
        retry=_passing,
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    plain: Callable[..., Response] = session.send

    def ask(request: PreparedRequest, **options: Any) -> Response:  # noqa: ANN401 - its own
        try:
            answer = plain(request, **options)
        except exceptions.HTTPError as error:
            # A hook of dlt's raises it before the answer is read, which would keep the connection.
            if error.response is not None:
                error.response.close()
            raise
        return answer

    send = retrying.wraps(ask)

    def read(request: PreparedRequest, **options: Any) -> Response:  # noqa: ANN401 - its own
        answer: Response = send(request, **options)
        return _as_list(answer) if lines else answer

    patient: Any = session
    patient.send = read
    return session


def rest_resource(
    name: str,
    given: tuple[Rest, Cursor | None],
    value_of: Callable[[str], str],
    session: Session,
) -> DltResource:
    """The records of a REST API.

    Args:
        name: The source's.
        given: Where it is; and what tells new records.
        value_of: Name of a variable → its value.
        session: Asks.

    Raises:
        SettingsError: A variable that the file names is not set.
    """
    rest, cursor = given
    params, body, path = (
        _bound(filled(one, value_of)) for one in (rest.params, rest.body, rest.path)
    )
    endpoint: dict[str, Any] = {
        "path": path,
        "method": rest.method,
        "params": params,
        "paginator": dict(rest.pages),
        "data_selector": rest.records,
    }
    if body:
        endpoint["json"] = body
    if cursor is not None:
        endpoint["incremental"] = {
            "cursor_path": cursor.field,
            "initial_value": cursor.first,
            "on_cursor_value_missing": "include",
        }
        if cursor.asked == "day":
            endpoint["incremental"]["convert"] = day
    auth = None if rest.auth is None else _auth(rest.auth, value_of, session)
    client = {
        "base_url": filled(rest.url, value_of),
        "headers": filled(rest.headers, value_of),
        "auth": auth,
        "session": session,
    }
    resource = {"name": name, "endpoint": endpoint}
    config: Any = {"client": client, "resources": [resource]}
    made: DltResource
    (made,) = rest_api_resources(config)
    return made


def day(moment: object) -> str:
    """The day of a moment, in UTC: of seconds or milliseconds since 1970, or of a text with it.

    Raises:
        InvalidArgument: No calendar has it.
    """
    if isinstance(moment, int | float):
        try:
            seconds = moment / 1000 if moment > _MILLISECONDS else moment
            return datetime.fromtimestamp(seconds, UTC).date().isoformat()
        except (ValueError, OverflowError, OSError) as error:
            reason, cure = "no moment", "name a field that has the seconds since 1970"
            raise InvalidArgument.of(moment, field="cursor", reason=reason, cure=cure) from error
    digits = str(moment).replace("-", "")
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}"


def _auth(auth: Auth, value_of: Callable[[str], str], session: Session) -> object:
    match auth.type:
        case "bearer":
            return {"type": "bearer", "token": value_of("TOKEN")}
        case "api_key":
            place = {"name": auth.name, "location": auth.location}
            return {"type": "api_key", "api_key": value_of("API_KEY"), **place}
        case "basic":
            who = {"username": value_of("USERNAME"), "password": value_of("PASSWORD")}
            return {"type": "http_basic", **who}
    data = {"scope": auth.scope} if auth.scope else {}
    if auth.type == "refresh_token":  # RFC 6749, 6; what differs is what is posted
        data |= {"grant_type": "refresh_token", "refresh_token": value_of("REFRESH_TOKEN")}
    return OAuth2ClientCredentials(
        access_token_url=str(filled(auth.url, value_of)),
        client_id=value_of("CLIENT_ID"),
        client_secret=value_of("CLIENT_SECRET"),
        access_token_request_data=data,
        session=session,
    )


def _bound(given: Any) -> Any:  # noqa: ANN401 - JSON
    """A value with dlt's own word for the cursor; other braces are meant as they stand."""
    if isinstance(given, str):
        marked = given.replace("{", "{{").replace("}", "}}")
        return marked.replace("{" + CURSOR + "}", "{incremental.start_value}")
    if isinstance(given, Mapping):
        return {key: _bound(value) for key, value in given.items()}
    return [_bound(value) for value in given] if isinstance(given, list) else given


def _answer_of(state: RetryCallState) -> Response | None:
    """The answer of an attempt, be it given or in the error that a hook of dlt's made of it."""
    outcome = state.outcome
    if outcome is None:
        return None
    error = outcome.exception()
    found: Response | None = outcome.result() if error is None else getattr(error, "response", None)
    return found


def _passing(state: RetryCallState) -> bool:
    """Whether an attempt failed in a way that passes."""
    answer = _answer_of(state)
    if answer is not None:
        return answer.status_code in AGAIN
    return state.outcome is not None and isinstance(state.outcome.exception(), BROKEN)


def _as_list(answer: Response) -> Response:
    """An answer of lines as one list; what is no answer of records stays as it is."""
    if answer.ok:
        lines = (line for line in answer.content.splitlines() if line.strip())
        answer._content = msgspec.json.encode([msgspec.Raw(line) for line in lines])  # noqa: SLF001 - there is no other way to change it
    return answer
