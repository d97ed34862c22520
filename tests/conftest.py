"""Fixtures and rules for every test: only loopback sockets, one async backend, skips that fail in CI."""

import os
from collections.abc import Callable

import pytest
from hypothesis import Phase, settings
from pytest_socket import socket_allow_hosts

LOOPBACK = ["127.0.0.1", "::1", "localhost"]

# At home every run tries other examples, and makes those that fail small. CI tries the same ones each time.
settings.register_profile("ci", derandomize=True, phases=(Phase.explicit, Phase.generate))
if os.environ.get("CI") == "true":
    settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--write-golden`` writes the golden files that it would compare with."""
    parser.addoption("--write-golden", action="store_true", default=False, help="write golden files anew")


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the programs do."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _loopback_only() -> None:
    """A connection to anywhere but loopback fails the test."""
    socket_allow_hosts(LOOPBACK, allow_unix_socket=True)


@pytest.fixture
def require() -> Callable[[bool, str], None]:
    """Skip with a reason where a test cannot run, but fail in CI, where everything must be there."""

    def check(condition: bool, reason: str) -> None:
        if condition:
            return
        if os.environ.get("CI") == "true":
            pytest.fail(f"cannot run in CI: {reason}")
        pytest.skip(reason)

    return check
