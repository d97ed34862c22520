"""SYNs of one flow, on loopback."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from hopsight.agent.network import Address
from hopsight.agent.path.syn_flow import open_syn_flow
from hopsight.clock import SystemClock

pytestmark = pytest.mark.anyio

HERE = Address("127.0.0.1")


@pytest.fixture
def port() -> Iterator[int]:
    """A port that is open."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_an_open_port_and_a_closed_one_both_answer(port: int) -> None:
    """A connection and a reset are the destination's answer, again and again, from one port."""
    opened: list[socket.socket] = []
    closed = 0
    with socket.create_server(("127.0.0.1", 0)) as unused:
        closed = unused.getsockname()[1]
    for number in (port, closed):
        flow = open_syn_flow(HERE, number, SystemClock(), opened.append)
        try:
            for _ in range(3):
                answer = await flow.probe(64, 1.0)
                assert answer is not None
                assert (answer.router, answer.reached, answer.expired) == (HERE, True, False)
                assert answer.rtt_s > 0
        finally:
            flow.close()
    assert len(opened) == 2 * (3 + 1)


async def test_an_answer_that_came_while_the_loop_was_held_up_counts() -> None:
    """The timeout does not win over an answer that was there before it was looked at."""
    held_up = threading.Event()
    # A backlog that is full: the first SYN stays unanswered, until the server takes a connection.
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            flow = open_syn_flow(HERE, port, SystemClock())
            try:
                probing = asyncio.ensure_future(flow.probe(64, 0.2))
                await asyncio.sleep(0.05)
                server.close()
                held_up.wait(1.5)  # the kernel sends its SYN again meanwhile, and is answered by a reset
                answer = await probing
            finally:
                flow.close()
    assert answer is not None
    assert answer.reached
