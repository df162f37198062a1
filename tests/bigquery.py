"""A small BigQuery, over real HTTP: what its client asks for, answered by DuckDB.

It knows `jobs.query` and `jobs.getQueryResults`, in pages, with nested and repeated values
(https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/query), and gives tokens to a service
account. Queries are translated by sqlglot; a table whose name ends in * is one table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import sqlglot
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.listening import listening

SHORT = 503
KINDS = {"BIGINT": "INTEGER", "INTEGER": "INTEGER", "DOUBLE": "FLOAT", "VARCHAR": "STRING"}


class BigQuery:
    """Tables, and what was asked.

    Attributes:
        con: The tables; the project is the catalogue `shop`.
        asked: Every query, with its parameters.
        answers: Statuses that the next asks get instead.
        page: Rows of a page.
        url: Where it is.
    """

    def __init__(self) -> None:
        self.con = duckdb.connect()
        self.con.execute("SET TimeZone = 'UTC'")
        self.con.execute("ATTACH ':memory:' AS shop; CREATE SCHEMA shop.analytics_1")
        self.con.execute("CREATE MACRO farm_fingerprint(what) AS CAST(hash(what) >> 1 AS BIGINT)")
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[int] = []
        self.page = 2
        self.url = ""
        self._answers: dict[str, tuple[list[dict[str, Any]], list[Any]]] = {}

    def key(self, folder: Path) -> Path:
        """The file of a service account's key."""
        path = folder / "google.json"
        said = {
            "type": "service_account",
            "project_id": "shop",
            "private_key": _private_key(),
            "client_email": "reader@shop.example",
            "token_uri": f"{self.url}/token",
        }
        path.write_text(json.dumps(said))
        return path

    def query(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Run a query: its first page."""
        given = {
            one["name"]: _parameter(one["parameterType"]["type"], one["parameterValue"]["value"])
            for one in asked.get("queryParameters", ())
        }
        self.asked.append((asked["query"], given))
        (sql,) = sqlglot.transpile(asked["query"], read="bigquery", write="duckdb")
        cursor = self.con.cursor().execute(sql, given)
        fields = [_field(name, kind) for name, kind, *_ in cursor.description]
        job = f"job-{len(self.asked)}"
        self._answers[job] = fields, [list(row) for row in cursor.fetchall()]
        return self.results(job, 0, self.page)

    def job(self, job: str) -> dict[str, Any]:
        """The resource of a query."""
        table = {"projectId": "shop", "datasetId": "answers", "tableId": job}
        query = {"query": self.asked[int(job.partition("-")[2]) - 1][0], "destinationTable": table}
        return {
            "jobReference": _reference(job),
            "configuration": {"jobType": "QUERY", "query": query},
            "statistics": {"query": {"statementType": "SELECT"}},
            "status": {"state": "DONE"},
        }

    def results(self, job: str, start: int, most: int) -> dict[str, Any]:
        """A page of what a query found."""
        fields, rows = self._answers[job]
        more = start + min(most or self.page, self.page)
        page = rows[start:more]
        found = [{"f": [_cell(*one) for one in zip(fields, row, strict=True)]} for row in page]
        return {
            "jobComplete": True,
            "jobReference": _reference(job),
            "schema": {"fields": fields},
            "totalRows": str(len(rows)),
            "rows": found,
            **({"pageToken": str(more)} if more < len(rows) else {}),
        }


@cache
def _private_key() -> str:
    """A key that nobody checks; once, for it takes as long as a query."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    written = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return written.decode()


def _reference(job: str) -> dict[str, str]:
    return {"projectId": "shop", "jobId": job, "location": "EU"}


def _parameter(kind: str, value: str) -> Any:  # noqa: ANN401 - a parameter
    return int(value) if kind == "INT64" else value


def _field(name: str, kind: Any) -> dict[str, Any]:  # noqa: ANN401 - DuckDB's own
    if kind.id == "list":
        return {**_field(name, kind.children[0][1]), "mode": "REPEATED"}
    if kind.id == "struct":
        fields = [_field(child, one) for child, one in kind.children]
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": fields}
    return {"name": name, "type": KINDS[str(kind)], "mode": "NULLABLE"}


def _cell(field: dict[str, Any], value: Any) -> dict[str, Any]:  # noqa: ANN401 - any cell
    if value is None:
        return {"v": [] if field["mode"] == "REPEATED" else None}
    if field["mode"] == "REPEATED":
        return {"v": [_cell({**field, "mode": "NULLABLE"}, one) for one in value]}
    if field["type"] == "RECORD":
        cells = zip(field["fields"], value.values(), strict=True)
        return {"v": {"f": [_cell(*one) for one in cells]}}
    return {"v": str(value)}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: BigQuery

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Tell that a query is done, or give a page of what it found."""
        url = urlsplit(self.path)
        place, _, job = url.path.rpartition("/")
        if place.endswith("/jobs"):
            self._answer(200, self.served.job(job))
            return
        asked = parse_qs(url.query)
        start, most = (int(asked.get(name, ["0"])[0]) for name in ("pageToken", "maxResults"))
        self._answer(200, self.served.results(job, start, most))

    def do_POST(self) -> None:
        """Give a token, or run a query."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/token":
            token = {"access_token": "let-me-in", "expires_in": 3600, "token_type": "Bearer"}
            self._answer(200, token)
        elif self.headers["Authorization"] != "Bearer let-me-in":
            self._refuse(401, "who?")
        elif self.served.answers:
            self._refuse(self.served.answers.pop(0), "not now")
        else:
            self._ask(json.loads(body))

    def _ask(self, asked: dict[str, Any]) -> None:
        try:
            self._answer(200, self.served.query(asked))
        except duckdb.Error as error:
            self._refuse(400, str(error))

    def _refuse(self, status: int, why: str) -> None:
        errors = [{"reason": "backendError" if status == SHORT else "invalidQuery"}]
        self._answer(status, {"error": {"message": why, "errors": errors}})

    def _answer(self, status: int, said: dict[str, Any]) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def bigquery_server() -> Iterator[BigQuery]:
    """BigQuery, on a free port of this machine."""
    served = BigQuery()
    with (
        closing(served.con),
        listening(type("Handler", (_Handler,), {"served": served})) as served.url,
    ):
        yield served
