"""Names of hops: late, cached, a few at a time."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator

import pytest

from hopsight.agent.network import Address, Family, PathSocket, SynFlow
from hopsight.agent.path import names as names_module
from hopsight.agent.path.names import PathNames
from hopsight.agent.path.reverse import reverse_name
from hopsight.agent.results import HopResult, PathResult
from hopsight.maxmind.asn import AsnEntry
from hopsight.testing import FakeClock

pytestmark = pytest.mark.anyio

HOP = "192.0.2.1"


class Resolver:
    """A network that has only names (``PathNetwork``), and counts who asks at the same time."""

    def __init__(self) -> None:
        self.names: dict[str, str | OSError | None] = {}
        self.asked: list[str] = []
        self.busy = 0
        self.busiest = 0
        self.gate = asyncio.Event()
        self.gate.set()

    def open_path(self, family: Family, identifier: int) -> PathSocket:
        """Nobody traces here."""
        raise AssertionError(f"{family} {identifier}")

    def open_syn_flow(self, address: Address, port: int) -> SynFlow:
        """Nobody traces here."""
        raise AssertionError(f"{address} {port}")

    async def reverse_name(self, address: Address, timeout_s: float) -> str | None:
        """The name that the test gave."""
        assert timeout_s > 0
        self.asked.append(address.host)
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        await self.gate.wait()
        self.busy -= 1
        found = self.names.get(address.host)
        if isinstance(found, OSError):
            raise found
        return found


@pytest.fixture
def resolver() -> Resolver:
    return Resolver()


@pytest.fixture
async def names(resolver: Resolver, clock: FakeClock) -> AsyncIterator[PathNames]:
    opened = PathNames(resolver, clock)
    yield opened
    await opened.aclose()


def path(*hosts: str | None) -> PathResult:
    hops = tuple(HopResult(number=at, address=host) for at, host in enumerate(hosts, 1))
    return PathResult(destination=HOP, hops=hops)


def named(names: PathNames, *hosts: str | None) -> list[str | None]:
    return [hop.name for hop in names.annotate(path(*hosts)).hops]


async def test_a_name_is_there_for_the_next_path(names: PathNames, resolver: Resolver) -> None:
    """The first path waits for nothing; a later one has what was found meanwhile."""
    resolver.names[HOP] = "gw.example.net"
    assert named(names, HOP, None, HOP) == [None, None, None]
    await names.settle(1)
    assert named(names, HOP, None, HOP) == ["gw.example.net", None, "gw.example.net"]
    assert resolver.asked == [HOP]


@pytest.mark.parametrize(
    ("answer", "keep_s"), [("a.example", 6 * 3600), (None, 3600), (OSError("no answer"), 300)]
)
async def test_answers_are_kept_for_their_time(
    names: PathNames, resolver: Resolver, clock: FakeClock, answer: str | OSError | None, keep_s: float
) -> None:
    """A name holds for hours, none for an hour, a failure for minutes; then it is asked for again."""
    resolver.names[HOP] = answer
    named(names, HOP)
    await names.settle(1)
    clock.advance(keep_s - 1)
    named(names, HOP)
    await names.settle(1)
    assert len(resolver.asked) == 1
    clock.advance(2)
    named(names, HOP)
    await names.settle(1)
    assert len(resolver.asked) == 2


async def test_a_name_outlives_a_failure_to_ask_again(
    names: PathNames, resolver: Resolver, clock: FakeClock
) -> None:
    """A resolver that is away takes no name back."""
    resolver.names[HOP] = "gw.example.net"
    named(names, HOP)
    await names.settle(1)
    resolver.names[HOP] = OSError("away")
    clock.advance(7 * 3600)
    assert named(names, HOP) == ["gw.example.net"]
    await names.settle(1)
    assert named(names, HOP) == ["gw.example.net"]


async def test_few_are_asked_at_a_time_and_the_rest_waits(names: PathNames, resolver: Resolver) -> None:
    """However long the path, two look-ups are under way, and each address is asked for once."""
    resolver.gate.clear()
    hosts = [f"192.0.2.{at}" for at in range(1, 31)]
    for _ in range(3):
        named(names, *hosts)
        await asyncio.sleep(0)
    resolver.gate.set()
    await names.settle(1)
    assert resolver.busiest == 2
    assert sorted(resolver.asked) == sorted(hosts)


async def test_what_waits_and_what_is_known_is_bounded(
    names: PathNames, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of strange hops fill no memory."""
    monkeypatch.setattr(names_module, "_MAX_WAITING", 10)
    monkeypatch.setattr(names_module, "_MAX_KNOWN", 5)
    named(names, *(f"198.51.100.{at}" for at in range(1, 100)))
    await names.settle(1)
    assert (len(resolver.asked), len(names._known)) == (10, 5)
    assert not names._asked


async def test_closing_gives_up_what_is_under_way(resolver: Resolver, clock: FakeClock) -> None:
    """A resolver that never answers holds nobody up."""
    resolver.gate.clear()
    names = PathNames(resolver, clock)
    named(names, HOP, "192.0.2.2", "192.0.2.3")
    await names.settle(0.01)
    await names.aclose()
    assert not names._tasks


async def test_numbers_come_from_the_database(resolver: Resolver, clock: FakeClock) -> None:
    """A hop that the database knows has its number and prefix, at once."""

    class Database:
        def find(self, address: str) -> AsnEntry | None:
            return AsnEntry(64500, "192.0.2.0/24") if address == HOP else None

        def close(self) -> None: ...

    names = PathNames(resolver, clock, Database(), resolve=False)  # type: ignore[arg-type]
    hops = names.annotate(path(HOP, "198.51.100.1", None)).hops
    assert [(hop.asn, hop.prefix) for hop in hops] == [(64500, "192.0.2.0/24"), (None, None), (None, None)]
    await names.aclose()
    assert resolver.asked == []


@pytest.mark.parametrize(
    ("said", "name"),
    [("gw.example.net", "gw.example.net"), ("a_b-1.x.", "a_b-1.x."), ("\x1b[31m", None), ("a b", None)],
)
async def test_only_host_names_are_names(
    monkeypatch: pytest.MonkeyPatch, said: str, name: str | None
) -> None:
    """Whatever a stranger has put into DNS, nothing but a host name comes out."""
    monkeypatch.setattr(socket, "getnameinfo", lambda *_: (said, "0"))
    assert await reverse_name(Address(HOP), 1) == name


async def test_no_name_is_an_answer_and_a_failure_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """No such name is None; a resolver in trouble is an error, and so is one that says nothing."""

    def fail(code: int) -> None:
        raise socket.gaierror(code, "said the resolver")

    monkeypatch.setattr(socket, "getnameinfo", lambda *_: fail(socket.EAI_NONAME))
    assert await reverse_name(Address(HOP), 1) is None
    monkeypatch.setattr(socket, "getnameinfo", lambda *_: fail(socket.EAI_AGAIN))
    with pytest.raises(OSError, match="said the resolver"):
        await reverse_name(Address(HOP), 1)


async def test_a_silent_resolver_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller gets an error in time though the thread still waits."""
    released = threading.Event()
    monkeypatch.setattr(socket, "getnameinfo", lambda *_: (str(released.wait(10)), "0"))
    try:
        with pytest.raises(OSError, match="did not answer within"):
            await reverse_name(Address(HOP), 0.01)
    finally:
        released.set()
