"""The profile from tools' outputs, and how tools are run."""

import sys

import pytest

from hopsight.agent.platforms import macos, windows
from hopsight.agent.platforms.profile import platform_profile, run_tool
from hopsight.agent.profile.profile import NetworkProfile


def test_each_platform_asks_its_own_tools() -> None:
    """Those of macOS and of Windows; Linux has its own reader."""
    asked: list[tuple[str, ...]] = []

    def run(command: object) -> str:
        assert isinstance(command, tuple)
        asked.append(command)
        return "gateway: 192.0.2.1\ninterface: en0\n" if command == macos.ROUTE else ""

    assert platform_profile("Mac", run) == NetworkProfile(
        connection="Other", interface="en0", gateway="192.0.2.1"
    )
    assert asked == [macos.ROUTE, macos.DNS, macos.PROXY, macos.WIFI]
    asked.clear()
    assert platform_profile("Windows", run) == NetworkProfile(connection="Loopback")
    assert asked == [windows.ROUTES, windows.DNS, windows.WIFI]
    assert platform_profile("Linux", run) is None


@pytest.mark.parametrize(
    ("program", "said"), [("print('héllo')", "héllo"), ("print('no'); raise SystemExit(1)", "")]
)
def test_a_tool_that_fails_says_nothing(program: str, said: str) -> None:
    """A half answer is none."""
    assert run_tool((sys.executable, "-X", "utf8", "-c", program)).strip() == said
    assert run_tool(("/no/such/tool",)) == ""
