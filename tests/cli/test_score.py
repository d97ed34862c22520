"""``hopsight score``: stored fields in, the same score out."""

import json

import msgspec
import pytest
from typer.testing import CliRunner

from hopsight.cli.main import app
from hopsight.errors import InvalidValueError
from hopsight.model.network_documents import Ping
from hopsight.model.user_sessions import SessionDetail, SessionNetwork

SESSION_ID = "00001:1600000020:aaaaaaaa"


def session(score: float | None) -> dict[str, object]:
    """A session as a server answers it, with this stored score."""
    ping = Ping(pkts_sent=10, pkts_received=10, avg_rtt_ms=525.0, mean_dev_rtt_ms=1.0)
    detail = json.loads(msgspec.json.encode(SessionDetail(network=SessionNetwork(ping=ping))))
    stored = {} if score is None else {"experienceScore": score}
    return {"userSessionId": SESSION_ID, **detail, **stored}


def test_a_stored_score_is_worked_out_again() -> None:
    """A score as the formula has it is confirmed, with its inputs."""
    answer = {"userSessions": [session(0.7711)], "pages": {"current": 1}}
    done = CliRunner().invoke(app, ["score", "-"], input=json.dumps(answer))
    assert done.exit_code == 0, done.output
    assert f"{SESSION_ID}  0.7711" in done.output
    assert "latency" in done.output


def test_a_score_that_differs_is_named_and_ends_with_one() -> None:
    """Whoever changed a score is found out."""
    done = CliRunner().invoke(app, ["score", "--json"], input=json.dumps(session(0.9)))
    assert done.exit_code == 1
    assert json.loads(done.stdout.splitlines()[0])["experienceScore"] == 0.7711


@pytest.mark.parametrize("text", ["nothing", "[1]", '{"userSessions": [{"userSessionId": "x"}]}', "[[[["])
def test_what_is_no_session_with_details_is_refused_with_a_reason(text: str) -> None:
    """A wrong input is one error that says what is accepted."""
    done = CliRunner().invoke(app, ["score", "-"], input=text)
    assert isinstance(done.exception, InvalidValueError)
    assert "user sessions" in str(done.exception)
