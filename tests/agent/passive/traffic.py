"""Programs that the namespace tests run: a server at the far end, and a watched machine at the near one.

``python traffic.py serve`` answers until it is ended; ``python traffic.py SCENARIO [ARGUMENT ...]`` watches,
makes the scenario's traffic, and prints what was found as JSON.
"""

import asyncio
import contextlib
import json
import random
import socket
import struct
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from structlog.testing import capture_logs

from hopsight.agent.delivery.client import ServerClient
from hopsight.agent.network import Address
from hopsight.agent.pages.fetch import PageFetcher
from hopsight.agent.passive.sessions import PassiveSessions
from hopsight.agent.passive.sites import SiteFilter
from hopsight.agent.passive.watch_socket import open_watch_socket
from hopsight.agent.sockets.own import OwnSockets
from hopsight.agent.system_network import SystemNetwork
from hopsight.clock import SystemClock
from hopsight.errors import UploadError
from hopsight.model.agents import AgentInfo
from hopsight.model.upload import Enrolment

FAR4, FAR6, NEAR4 = "10.98.0.1", "fd98::1", "10.98.0.2"
PORT, BACK_PORT, DNS_PORT, CLOSED_PORT = 8_000, 8_001, 53, 9
AID, AGENT_ID = 7625, "00000000-0000-4000-8000-000000000001"
ENROLMENT = Enrolment(
    enrolment_id=AGENT_ID,
    secret="s" * 43,
    agent=AgentInfo(computer_name="near", platform="Linux", os_version="1", kernel_version="1", version="1"),
)
BULK_BYTES = 60_000
SETTLE_S = 0.4
"""From a connection's end to its announcement, and more."""


def serve() -> None:
    """Echo on one port, connect back on another, and be a name server, all on every address."""
    for family, kind, port, handler in (
        (socket.AF_INET6, socket.SOCK_STREAM, PORT, echo),
        (socket.AF_INET6, socket.SOCK_STREAM, BACK_PORT, connect_back),
    ):
        listening = socket.socket(family, kind)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("::", port))
        listening.listen(512)
        threading.Thread(target=accept, args=(listening, handler), daemon=True).start()
    names = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    names.bind(("::", DNS_PORT))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        query, asker = names.recvfrom(4096)
        names.sendto(dns_answer(query), asker)


def accept(listening: socket.socket, handler: Callable[[socket.socket], None]) -> None:
    """A thread for each connection."""
    while True:
        accepted, _ = listening.accept()
        threading.Thread(target=handler, args=(accepted,), daemon=True).start()


def echo(accepted: socket.socket) -> None:
    """Send back what comes."""
    with accepted:
        while data := accepted.recv(65_536):
            accepted.sendall(data)


def connect_back(accepted: socket.socket) -> None:
    """Connect to the port of the asker that it names, so often, and say when it is done."""
    with accepted:
        port, count = struct.unpack("!HH", accepted.recv(4))
        host = accepted.getpeername()[0]
        for _ in range(count):
            with socket.create_connection((host, port)) as back:
                back.sendall(b"hello")
                back.recv(1)
        accepted.sendall(b"done")


def dns_answer(query: bytes) -> bytes:
    """Any name is an alias of one that has both of our addresses."""
    alias = b"\x04edge\x03cdn\x07example\x00"
    records = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, len(alias)) + alias
    records += alias + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(FAR4)
    records += alias + struct.pack("!HHIH", 28, 1, 60, 16) + socket.inet_pton(socket.AF_INET6, FAR6)
    return query[:2] + struct.pack("!HHHHH", 0x8180, 1, 3, 0, 0) + query[12:] + records


def talk(host: str, size: int = 100, family: int = 0) -> None:
    """One connection that sends, hears the same again, and closes."""
    with socket.socket(family or (socket.AF_INET6 if ":" in host else socket.AF_INET)) as opened:
        opened.connect((host, PORT))
        if size:
            opened.sendall(b"x" * size)
        received = 0
        while received < size:
            received += len(opened.recv(65_536))


async def clients(_: SystemNetwork) -> None:
    """What people's programs do: IPv4, IPv6, IPv4 in an IPv6 socket, three sizes."""
    for host, size in ((FAR4, 100), (FAR4, 0), (FAR4, 5_000), (FAR6, 300)):
        await asyncio.to_thread(talk, host, size)
    await asyncio.to_thread(talk, f"::ffff:{FAR4}", 50, socket.AF_INET6)


async def failures(_: SystemNetwork) -> None:
    """Refused: by a program that waits in connect, and by one that does not; and one that aborts."""
    with socket.socket() as waiting, contextlib.suppress(ConnectionRefusedError):
        waiting.connect((FAR4, CLOSED_PORT))
    with socket.socket() as asking:
        asking.setblocking(False)
        asking.connect_ex((FAR4, CLOSED_PORT))
        await asyncio.sleep(0.1)
        asking.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    with socket.create_connection((FAR4, PORT)) as aborting:
        aborting.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def own(network: SystemNetwork) -> None:
    """Our probes, traces, uploads and pages, and one connection of somebody else's."""
    for host in (FAR4, FAR6):
        for port in (PORT, CLOSED_PORT):
            await network.connect_tcp(Address(host), port, 1.0)
    flow = network.open_syn_flow(Address(FAR4), PORT)
    for ttl in (1, 64):
        await flow.probe(ttl, 0.5)
    flow.close()
    async with ServerClient(f"http://{FAR4}:{PORT}", own=network.own_sockets) as client:
        with contextlib.suppress(UploadError):  # an echo is no answer
            await client.enrol("k" * 32, ENROLMENT)
    for url in (f"http://{FAR4}:{PORT}/", f"http://[{FAR6}]:{PORT}/"):
        await PageFetcher(network, SystemClock()).fetch(url)
    await asyncio.to_thread(talk, FAR4, 10)


async def local(_: SystemNetwork) -> None:
    """Loopback and our own address: nothing that leaves the machine."""
    with socket.socket(socket.AF_INET6) as listening:
        listening.bind(("::", PORT))
        listening.listen()
        threading.Thread(target=accept, args=(listening, echo), daemon=True).start()
        for host in ("127.0.0.1", "127.3.2.1", "::1", NEAR4, "::ffff:127.0.0.1"):
            await asyncio.to_thread(talk, host, 10)


async def listener(_: SystemNetwork) -> None:
    """Connections from outside, to a listener that is gone before they are."""
    listening = socket.socket()
    listening.bind((NEAR4, 0))
    listening.listen()
    with socket.create_connection((FAR4, BACK_PORT)) as asking:
        asking.sendall(struct.pack("!HH", listening.getsockname()[1], 3))
        for number in range(3):
            accepted = await asyncio.to_thread(lambda: listening.accept()[0])
            if number == 2:
                listening.close()
            with accepted:
                accepted.sendall(b"!")
        await asyncio.to_thread(asking.recv, 4)


async def named(_: SystemNetwork) -> None:
    """Ask the name server by hand, over IPv4 and IPv6, then connect."""
    for server, name in ((FAR4, b"\x04shop\x07example\x00"), (FAR6, b"\x04blog\x07example\x00")):
        with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(2)
            query = struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0) + name + struct.pack("!HH", 1, 1)
            asking.sendto(query, (server, DNS_PORT))
            await asyncio.to_thread(asking.recv, 4096)
        await asyncio.sleep(SETTLE_S)
        await asyncio.to_thread(talk, FAR4, 10)
        await asyncio.sleep(SETTLE_S)


async def distant(_: SystemNetwork) -> None:
    """Over the forwarder: questions and answers, bulk data with losses, handshakes with losses."""
    hosts = sys.argv[2:]
    await asyncio.gather(*(asyncio.to_thread(exchange, host) for host in hosts))
    await asyncio.sleep(SETTLE_S)


def exchange(host: str) -> None:
    """Three small questions, then much data both ways at the same time."""
    with socket.create_connection((host, PORT)) as opened:
        for size in (100, 100, 100, BULK_BYTES):
            sending = threading.Thread(target=opened.sendall, args=(b"x" * size,))
            sending.start()
            received = 0
            while received < size:
                received += len(opened.recv(65_536))
            sending.join()


async def watched(traffic: Callable[[SystemNetwork], Awaitable[None]]) -> dict[str, Any]:
    """Make traffic under watch; the records of it, and what the log had."""
    clock = SystemClock()
    network = SystemNetwork(clock)
    sessions = PassiveSessions(network, clock, random.Random(1), sites=SiteFilter.parse([], []))
    with capture_logs() as logs:
        started = sessions.start()
        await traffic(network)
        await asyncio.sleep(SETTLE_S)
        records = sessions.finished(clock.now() + 120, AID, AGENT_ID)
        sessions.close()
    return {"started": started, "records": msgspec.to_builtins(records), "logs": logs}


def overrun(count: int) -> dict[str, Any]:
    """A queue that is far too small for what happens before anybody reads."""
    watching = open_watch_socket(OwnSockets(), receive_buffer=4_096)
    for _ in range(count):
        talk(FAR4, 0)
    threading.Event().wait(SETTLE_S)
    heard = len(watching.receive())
    lost = watching.lost
    talk(FAR4, 0)
    threading.Event().wait(SETTLE_S)
    after = len(watching.receive())
    watching.close()
    return {"heard": heard, "lost": lost, "after": after}


SCENARIOS = {
    scenario.__name__: scenario for scenario in (clients, failures, own, local, listener, named, distant)
}


def main() -> None:
    """Do what the first argument says."""
    scenario, *arguments = sys.argv[1:]
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if scenario == "serve":
        serve()
    elif scenario == "overrun":
        sys.stdout.write(json.dumps(overrun(int(arguments[0]))))
    else:
        sys.stdout.write(json.dumps(asyncio.run(watched(SCENARIOS[scenario]))))


if __name__ == "__main__":
    main()
