"""A report from an admin's click to the check of whoever was handed it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.conftest import Journey
from tests.journeys.test_downloads import saved
from tests.server.web.test_agents import NOW, enrol
from tests.server.web.test_report import sessions

from hopsight.model.accounts import Role

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]


def verified(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """What the command says of a file."""
    command = [sys.executable, "-m", "hopsight", "report", "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


async def test_a_report_is_made_handed_over_and_checked(
    server: Any, journey: Journey, tmp_path: Path
) -> None:
    """From the menu of the overview to a signed page and its file; once changed, it is refused."""
    server.clock.advance(NOW - server.clock.now())
    for name in ("one", "two"):
        await sessions(server, enrol(server, name), range(1, 30), loss=100.0, latency=None)
    await journey.sign_in(server.tokens[Role.ACCOUNT_ADMIN])
    await journey.open("/?window=1h&visitedSite=app.example.com")
    await journey.page.click(".take-away summary")
    await journey.click(".take-away a:text-is('Report')")
    assert "window" not in journey.page.url
    assert "Preview, not signed" in await journey.page.inner_text("main")
    await journey.send("Sign this report")
    text = await journey.page.inner_text("main")
    assert "1 outage, 29 min in all" in text
    digest, fingerprint = [
        await journey.page.inner_text(f".seal > div:nth-child({number}) code") for number in (1, 2)
    ]
    name, content = await saved(journey, journey.page.locator("a.button"))
    file = tmp_path / name
    file.write_bytes(content)
    done = verified(str(file), "--fingerprint", fingerprint)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("VALID")
    assert digest in done.stdout
    assert "sessions  58 of 2 agents" in done.stdout
    file.write_bytes(content.replace(b'"payload":"eyJ', b'"payload":"eyK'))
    assert verified(str(file), "--fingerprint", fingerprint).returncode == 1
