"""One connection: what the kernel knows counts, not when the event loop came round to it."""

import asyncio
import socket
import time

import pytest

from hopsight.agent.network import Address
from hopsight.agent.sockets.own import OwnSockets
from hopsight.agent.sockets.tcp import connect_tcp
from hopsight.clock import SystemClock

pytestmark = pytest.mark.anyio


async def _hold_up(duration_s: float) -> None:
    time.sleep(duration_s)  # noqa: ASYNC251 - this is what it is for


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_an_answer_that_waited_for_us_is_an_answer(host: str) -> None:
    """A program that is held up beyond the timeout still finds the connection, with the kernel's time."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        port = server.getsockname()[1]
        connecting = asyncio.create_task(connect_tcp(Address(host), port, 0.05, SystemClock(), OwnSockets()))
        await asyncio.sleep(0)
        await _hold_up(0.2)
        outcome = await connecting
    assert (outcome.connected, outcome.retransmits, outcome.error) == (True, 0, None)
    assert outcome.kernel_rtt_s is not None
    assert outcome.kernel_rtt_s < 0.05


async def test_a_closed_port_is_a_reset() -> None:
    """Nobody listens, and the host says so: an answer, though no connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    outcome = await connect_tcp(Address("127.0.0.1"), port, 1.0, SystemClock(), OwnSockets())
    assert (outcome.sent, outcome.connected, outcome.reset, outcome.prohibited) == (True, False, True, False)
