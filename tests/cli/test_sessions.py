"""``hopsight sessions`` against a small server that speaks the pages of version 6."""

import csv
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import typer
from typer.testing import CliRunner, Result

from hopsight.accounts.bootstrap_file import Bootstrap, write_bootstrap
from hopsight.cli.sessions import sessions
from hopsight.cli.sessions_client import SessionsClient, Wanted
from hopsight.cli.sessions_output import Printer
from hopsight.errors import (
    AuthenticationError,
    ConfigError,
    HopsightError,
    InvalidValueError,
    StoreUnavailableError,
)
from hopsight.testing import FakeClock

ROUND_ID = 1_490_529_480
TOKEN = "t" * 43


def a_session(number: int, round_id: int = ROUND_ID) -> dict[str, Any]:
    """A session as the API writes it; CPU was not measured."""
    return {
        "userSessionId": f"00001:{round_id}:{number:08d}",
        "agentId": "3fde6422-f119-40e1-ae32-d08a1243c038",
        "roundId": round_id,
        "date": "2017-03-26 11:58:42",
        "destination": {"target": "192.0.2.1", "loss": 0.0, "latency": 12, "jitter": 3},
    }


class Handler(BaseHTTPRequestHandler):
    """Answers from its server's ``answers``, one after the other, the last for ever."""

    server: "PageServer"

    def do_GET(self) -> None:
        """Answer, and note the question."""
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.asked.append((self.path, body))
        answers = self.server.answers
        status, document = answers.pop(0) if len(answers) > 1 else answers[0]
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            status, document = 401, {"errorMessage": "Invalid credentials"}
        self.send_response(status)
        self.send_header("X-Organization-Rate-Limit-Reset", str(ROUND_ID + 30))
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    do_POST = do_GET  # noqa: N815 - the name that the base class calls

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class PageServer(ThreadingHTTPServer):
    """A server that knows only what it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.asked: list[tuple[str, Any]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[PageServer]:
    """The server, running."""
    with PageServer() as page_server:
        thread = threading.Thread(target=page_server.serve_forever, args=(0.05,))
        thread.start()
        yield page_server
        page_server.shutdown()
        thread.join()


def invoke(*arguments: str) -> Result:
    """Run the command; our errors are raised, as the root command expects."""
    app = typer.Typer()
    app.command()(sessions)
    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, HopsightError):
        raise result.exception
    return result


def page(*items: dict[str, Any], **pages: str) -> tuple[int, dict[str, Any]]:
    """A page of sessions."""
    return 200, {"networkSessions": list(items), "pages": {"current": 1, **pages}}


def test_json_lines_over_all_pages(server: PageServer) -> None:
    """Pages are followed on the named server, whatever host the link has, and printed object by object."""
    server.answers = [
        page(a_session(1), next="http://elsewhere.invalid/v6/x.json?cursor=a%3Ab"),
        page(a_session(2)),
    ]
    result = invoke("--url", server.url, "--token", TOKEN, "--json", "--aid", "7", "--window", "1h")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [a_session(1), a_session(2)]
    first, second = (urlsplit(path) for path, _ in server.asked)
    assert first.path == "/v6/endpoint-data/user-sessions/network.json"
    assert parse_qs(first.query) == {"aid": ["7"], "window": ["1h"]}
    assert second.geturl() == "/v6/x.json?cursor=a%3Ab"


def test_csv_leaves_empty_what_was_not_measured(server: PageServer) -> None:
    """A missing value is an empty cell, never a zero."""
    server.answers = [page(a_session(1))]
    result = invoke("--url", server.url, "--token", TOKEN, "--csv")
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert row["destination.latency"] == "12"
    assert row["systemMetrics.cpuUtilization.mean"] == ""


def test_filters_are_posted(server: PageServer) -> None:
    """Values of one key are alternatives; unknown keys are refused with the list of known ones."""
    server.answers = [page()]
    given = ("--filter", "platform=Mac", "--filter", "platform=Linux", "--filter", "ssid=a=b")
    invoke("--url", server.url, "--token", TOKEN, *given)
    assert server.asked[0][1] == {
        "searchFilters": [
            {"key": "platform", "values": ["Mac", "Linux"]},
            {"key": "ssid", "values": ["a=b"]},
        ]
    }
    with pytest.raises(InvalidValueError, match="visitedSite"):
        invoke("--url", server.url, "--token", TOKEN, "--filter", "colour=red")


def test_a_newcomer_needs_no_options(server: PageServer, tmp_path: Path) -> None:
    """Without --url, the server on the data directory and its first token are used, for that server alone."""
    known = Bootstrap(url=server.url, email="admin@hopsight.local", aid=1, token=TOKEN)
    write_bootstrap(tmp_path, known)
    server.answers = [page(a_session(1))]
    result = invoke("--data", str(tmp_path))
    heading, line = result.stdout.splitlines()
    assert heading.startswith("DATE (UTC)")
    assert "192.0.2.1" in line
    with pytest.raises(ConfigError, match="token"):
        invoke("--data", str(tmp_path), "--url", server.url)
    with pytest.raises(ConfigError, match="--url"):
        invoke("--data", str(tmp_path / "none"))


def test_errors_are_the_servers_own_words(server: PageServer) -> None:
    """What the server says is wrong is what the user reads; no server is a line as well."""
    server.answers = [(400, {"errorMessage": "Invalid window"})]
    with pytest.raises(HopsightError, match=r"^Invalid window$"):
        invoke("--url", server.url, "--token", TOKEN)
    with pytest.raises(AuthenticationError, match="Invalid credentials"):
        invoke("--url", server.url, "--token", "wrong")
    with pytest.raises(StoreUnavailableError, match=r"No answer from http://127\.0\.0\.1:1"):
        invoke("--url", "http://127.0.0.1:1", "--token", TOKEN)
    server.answers = [(200, {"hello": "world"})]
    with pytest.raises(HopsightError, match="does not answer"):
        invoke("--url", server.url, "--token", TOKEN)


class EnoughError(HopsightError):
    """Ends a test that would follow for ever."""


class CountedClock(FakeClock):
    """Lets a program sleep so many times, and no more."""

    def __init__(self, sleeps: int) -> None:
        super().__init__(ROUND_ID)
        self.slept_s: list[float] = []
        self._sleeps = sleeps

    async def sleep(self, duration_s: float) -> None:
        """Note how long; the last time, end it."""
        self.slept_s.append(duration_s)
        if len(self.slept_s) == self._sleeps:
            raise EnoughError
        await super().sleep(duration_s)


@pytest.mark.anyio
async def test_following_prints_each_session_once(server: PageServer) -> None:
    """Sessions that overlap, arrive late, or come after the server was away are printed once."""
    late, newer = a_session(3), a_session(1, ROUND_ID + 60)
    server.answers = [
        page(a_session(1)),
        (503, {"errorMessage": "Away"}),
        page(a_session(1), late, newer),
        page(a_session(1), late, newer),
    ]
    clock = CountedClock(4)
    client = SessionsClient(server.url, TOKEN, True, clock)
    printed = io.StringIO()
    with pytest.raises(EnoughError):
        await client.print_sessions(Wanted(), Printer(printed, "json"), follow=True)
    assert [json.loads(line) for line in printed.getvalue().splitlines()] == [a_session(1), late, newer]
    assert "from=2017-03-26T11:58:00" in server.asked[1][0].replace("%3A", ":")


@pytest.mark.anyio
async def test_a_rate_limit_is_waited_out(server: PageServer) -> None:
    """After 429 the same question is asked again when the server's window is over."""
    server.answers = [(429, {"errorMessage": "Too many"}), page(a_session(1))]
    clock = CountedClock(9)
    printed = io.StringIO()
    client = SessionsClient(server.url, TOKEN, True, clock)
    await client.print_sessions(Wanted(), Printer(printed, "json"), follow=False)
    assert clock.slept_s == [30]
    assert len(printed.getvalue().splitlines()) == 1
