"""Path traces against a door whose other side the test holds."""

import asyncio
import errno
import random
from collections.abc import Callable
from typing import Literal

import pytest

from hopsight.agent.network import (
    Address,
    EchoReply,
    Family,
    HopAnswer,
    PathEvent,
    PathSocket,
    SendStamp,
    SynAnswer,
    SynFlow,
)
from hopsight.agent.path.packets import checksum
from hopsight.agent.probes import path_icmp
from hopsight.agent.probes.path import NOBODY, PathTracer, first_public_hop
from hopsight.agent.results import HopResult, PathResult
from hopsight.errors import ProbeUnavailableError
from hopsight.testing import FakeClock

pytestmark = pytest.mark.anyio

HERE = Address("192.0.2.99")
LABELS = ("L=301472,E=0,S=1,T=1",)
Answer = Callable[[int, int, bytes], list[PathEvent]]
Syn = Callable[[int], SynAnswer | None]


def router(ttl: int) -> str:
    return f"192.0.2.{ttl}"


def expired(
    ttl: int, sequence: int, payload: bytes, host: Address = HERE, labels: tuple[str, ...] = ()
) -> HopAnswer:
    return HopAnswer(host, sequence, payload, Address(router(ttl)), True, "", labels, None)


def refused(sequence: int, payload: bytes, by: str) -> HopAnswer:
    return HopAnswer(HERE, sequence, payload, Address(by), False, "", (), None)


def path_of(length: int, silent: tuple[int, ...] = ()) -> Answer:
    """A path whose destination is at ``length``."""

    def answer(ttl: int, sequence: int, payload: bytes) -> list[PathEvent]:
        if ttl in silent:
            return []
        if ttl >= length:
            return [EchoReply(HERE, sequence, payload, None)]
        return [expired(ttl, sequence, payload)]

    return answer


class ScriptedFlow:
    """SYNs that are answered as the test says (``SynFlow``)."""

    def __init__(self, answer: Syn, clock: FakeClock, asked: list[int]) -> None:
        self._answer, self._clock, self._asked = answer, clock, asked

    async def probe(self, ttl: int, timeout_s: float) -> SynAnswer | None:
        """Answer at once, or let the time pass."""
        self._asked.append(ttl)
        answer = self._answer(ttl)
        if answer is None:
            self._clock.advance(timeout_s)
        return answer

    def close(self) -> None:
        """Nothing to give back."""


class ScriptedPath:
    """An ICMP socket, and the network that it is opened from (``PathSocket``, ``PathNetwork``)."""

    kind: Literal["datagram", "raw"] = "datagram"

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.sent: list[tuple[Address, int, int, bytes]] = []
        self.waiting: list[PathEvent] = []
        self.answer: Answer = path_of(4)
        self.syn: Syn = lambda _: None
        self.syns: list[int] = []
        self.allowed = True
        self.failure: OSError | None = None

    def open_path(self, family: Family, identifier: int) -> PathSocket:
        """Be the socket, if that is allowed."""
        if not self.allowed:
            raise ProbeUnavailableError(f"no ICMP over IPv{family} for {identifier & 0}")
        return self

    def open_syn_flow(self, address: Address, port: int) -> SynFlow:
        """A flow that shares the script."""
        assert (address, port) == (HERE, 443)
        return ScriptedFlow(self.syn, self.clock, self.syns)

    async def reverse_name(self, address: Address, timeout_s: float) -> str | None:
        """Nobody asks here."""
        raise AssertionError(f"{address} {timeout_s}")

    def listen(self, on_ready: Callable[[], None]) -> None:
        """The engine takes in what there is after each burst."""

    def send(self, address: Address, ttl: int, sequence: int, payload: bytes) -> int:
        """Keep the probe, and queue its answers."""
        if self.failure is not None:
            raise self.failure
        self.sent.append((address, ttl, sequence, payload))
        self.waiting += self.answer(ttl, sequence, payload)
        return len(self.sent)

    def receive(self) -> list[PathEvent]:
        """Hand over the queue."""
        events, self.waiting = self.waiting, []
        return events

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def network(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> ScriptedPath:
    monkeypatch.setattr(path_icmp, "TIMEOUT_S", 0.01)
    return ScriptedPath(clock)


async def traced(network: ScriptedPath, port: int | None = None, seed: int = 1) -> PathResult:
    return await PathTracer(network, network.clock, random.Random(seed)).trace(HERE, port=port)


def addresses(path: PathResult) -> list[str | None]:
    return [hop.address for hop in path.hops]


async def test_silent_hops_are_hops_and_the_destination_counts_once(network: ScriptedPath) -> None:
    """Two silent routers keep their places; the destination stands at the lowest place that it answers at."""
    network.answer = path_of(6, silent=(2, 5))
    path = await traced(network)
    assert addresses(path) == [router(1), None, router(3), router(4), None, HERE.host]
    assert [hop.number for hop in path.hops] == [1, 2, 3, 4, 5, 6]
    assert (path.reached, path.protocol, path.error) == (True, "icmp", None)
    assert [(hop.pkts_sent, hop.pkts_received) for hop in path.hops[:2]] == [(3, 3), (3, 0)]


async def test_silence_behind_the_last_answer_is_cut(network: ScriptedPath) -> None:
    """A destination that nobody hears of again leaves the path at the last router."""
    network.answer = path_of(40, silent=tuple(range(4, 40)))
    path = await traced(network)
    assert (addresses(path), path.reached) == ([router(1), router(2), router(3)], False)


async def test_the_destination_is_found_at_its_lowest_place_though_its_first_probe_was_lost(
    network: ScriptedPath,
) -> None:
    """One lost probe does not make the path longer."""
    lost = {4}

    def answer(ttl: int, sequence: int, payload: bytes) -> list[PathEvent]:
        if ttl in lost:
            lost.discard(ttl)
            return []
        return path_of(4)(ttl, sequence, payload)

    network.answer = answer
    path = await traced(network)
    assert addresses(path) == [router(1), router(2), router(3), HERE.host]


async def test_all_probes_of_a_trace_are_one_flow(network: ScriptedPath) -> None:
    """One checksum for each trace, another for the next; with a key the same for both."""
    network.answer = path_of(9)
    tracer = PathTracer(network, network.clock, random.Random(1))
    flows = []
    for key in (None, None, "site", "site"):
        network.sent.clear()
        await tracer.trace(HERE, port=None, key=key)
        sums = {
            checksum(b"\x08\0\0\0\0\0" + seq.to_bytes(2, "big") + payload)
            for _, _, seq, payload in network.sent
        }
        assert len(sums) == 1
        assert len({payload[:16] for *_, payload in network.sent}) == 1
        flows.append(sums.pop())
    assert flows[0] != flows[1]
    assert flows[2] == flows[3]


async def test_a_path_known_from_before_is_not_searched_again(network: ScriptedPath) -> None:
    """The second trace looks two places behind the destination's; when it has moved away, at all of them."""
    tracer = PathTracer(network, network.clock, random.Random(1))
    first = await tracer.trace(HERE, port=None)
    network.sent.clear()
    assert (await tracer.trace(HERE, port=None)).hops == first.hops
    assert max(ttl for _, ttl, _, _ in network.sent) <= 6
    network.answer = path_of(12)
    moved = await tracer.trace(HERE, port=None)
    assert (len(moved.hops), moved.reached) == (12, True)


@pytest.mark.parametrize("forged", ["destination", "token", "sequence", "reply address", "reply payload"])
async def test_strangers_are_not_believed(network: ScriptedPath, forged: str) -> None:
    """An answer that quotes another probe, or comes from another host, is nobody's."""

    def answer(ttl: int, sequence: int, payload: bytes) -> list[PathEvent]:
        other = Address("198.51.100.1")
        if ttl != 2:
            return path_of(4)(ttl, sequence, payload)
        return {
            "destination": [expired(ttl, sequence, payload, other)],
            "token": [expired(ttl, sequence, b"\xff\0" + payload[2:])],
            "sequence": [expired(ttl, sequence ^ 0x8000, payload)],
            "reply address": [EchoReply(other, sequence, payload, None)],
            "reply payload": [EchoReply(HERE, sequence, payload[:-1], None)],
        }[forged]  # type: ignore[return-value]

    network.answer = answer
    path = await traced(network)
    assert addresses(path) == [router(1), None, router(3), HERE.host]


async def test_an_answer_counts_once(network: ScriptedPath) -> None:
    """Duplicates of an answer, also under another router's name, change nothing."""

    def answer(ttl: int, sequence: int, payload: bytes) -> list[PathEvent]:
        (real,) = path_of(4)(ttl, sequence, payload)
        return [real, real, expired(77, sequence, payload)]

    network.answer = answer
    path = await traced(network)
    assert addresses(path) == [router(1), router(2), router(3), HERE.host]
    assert [(hop.pkts_sent, hop.pkts_received) for hop in path.hops] == [(3, 3)] * 4


async def test_a_duplicate_stands_for_no_lost_probe(network: ScriptedPath) -> None:
    """Of three probes the first is answered three times, the others never: one was received."""

    def answer(ttl: int, sequence: int, payload: bytes) -> list[PathEvent]:
        first = sum(1 for _, other, _, _ in network.sent if other == ttl) == 1
        return path_of(4)(ttl, sequence, payload) * 3 if first else []

    network.answer = answer
    path = await traced(network)
    assert [(hop.pkts_sent, hop.pkts_received) for hop in path.hops] == [(3, 1)] * 4


async def test_a_router_that_is_met_twice_is_two_hops(network: ScriptedPath) -> None:
    """A loop, or a router that does not count, is shown as it is."""

    def answer(ttl: int, sequence: int, payload: bytes) -> list[PathEvent]:
        return [expired(min(ttl, 3), sequence, payload)] if ttl < 5 else []

    network.answer = answer
    assert addresses(await traced(network)) == [router(1), router(2), router(3), router(3)]


async def test_traces_that_begin_together_are_spread(
    network: ScriptedPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trace that runs alone starts at once; of many, each has a place of its own within 0.2 s."""
    waits: list[float] = []
    real = FakeClock.sleep

    async def sleep(clock: FakeClock, duration_s: float) -> None:
        waits.append(duration_s)
        await real(clock, duration_s)

    monkeypatch.setattr(FakeClock, "sleep", sleep)
    tracer = PathTracer(network, network.clock, random.Random(1))
    await tracer.trace(HERE, port=None)
    assert set(waits) == {0.02}
    waits.clear()
    await asyncio.gather(*(tracer.trace(HERE, port=None) for _ in range(30)))
    phases = sorted(wait for wait in waits if wait != 0.02)
    assert len(set(phases)) == 29
    assert 0 < phases[0] < 0.02
    assert 0.18 < phases[-1] < 0.2


@pytest.mark.parametrize("quoted", [0, 8, 20, 56, 200])
async def test_routers_may_quote_little_or_pad(network: ScriptedPath, quoted: int) -> None:
    """From the bare header up to a padded quote the answer is believed, and its labels kept."""

    def answer(ttl: int, sequence: int, payload: bytes) -> list[PathEvent]:
        if ttl < 4:
            return [expired(ttl, sequence, payload[:quoted].ljust(quoted, b"\0"), labels=LABELS)]
        return path_of(4)(ttl, sequence, payload)

    network.answer = answer
    path = await traced(network)
    assert [hop.mpls for hop in path.hops] == [LABELS, LABELS, LABELS, ()]


async def test_a_refusal_ends_the_path_at_the_router(network: ScriptedPath) -> None:
    """Who says "unreachable" is the last hop, once, and the destination is not reached."""

    def answer(ttl: int, sequence: int, payload: bytes) -> list[PathEvent]:
        return [expired(ttl, sequence, payload)] if ttl <= 3 else [refused(sequence, payload, router(3))]

    network.answer = answer
    path = await traced(network)
    assert (addresses(path), path.reached) == ([router(1), router(2), router(3)], False)


async def test_kernel_stamps_are_the_time_and_the_lowest_counts(network: ScriptedPath) -> None:
    """A hop's time is the lowest of its probes by kernel stamps, whatever the program's clock saw."""

    def answer(ttl: int, sequence: int, payload: bytes) -> list[PathEvent]:
        sent_ns = int(network.clock.now() * 1e9) + 1_000_000
        nth = sum(1 for _, other, _, _ in network.sent if other == ttl)
        arrived_ns = sent_ns + 7_000_000 - nth * 1_000_000
        network.clock.advance(0.02)
        event = path_of(2)(ttl, sequence, payload)[0]
        return [event._replace(kernel_ns=arrived_ns), SendStamp(len(network.sent), sent_ns)]

    network.answer = answer
    path = await traced(network)
    assert [hop.rtt_ms for hop in path.hops] == pytest.approx([4, 4])


async def test_a_stepped_clock_moves_no_time(network: ScriptedPath) -> None:
    """Stamps of a clock that was set back give way to the monotonic clock."""

    def answer(ttl: int, sequence: int, payload: bytes) -> list[PathEvent]:
        sent_ns = int(network.clock.now() * 1e9) + 1_000_000
        network.clock.advance(0.003)
        event = path_of(1)(ttl, sequence, payload)[0]
        return [SendStamp(len(network.sent), sent_ns), event._replace(kernel_ns=sent_ns - 5_000_000)]

    network.answer = answer
    path = await traced(network)
    assert path.hops[0].rtt_ms is not None
    assert path.hops[0].rtt_ms >= 3


def syn_path(length: int, silent: tuple[int, ...] = (), first: int = 1) -> Syn:
    """SYNs meet routers from ``first`` on, and the destination at ``length``."""

    def answer(ttl: int) -> SynAnswer | None:
        if ttl >= length:
            return SynAnswer(router=HERE, expired=False, reached=True, rtt_s=0.01)
        if ttl in silent or ttl < first:
            return None
        return SynAnswer(router=Address(router(ttl)), expired=True, reached=False, rtt_s=0.005)

    return answer


async def test_syns_go_on_where_echo_requests_are_no_longer_answered(network: ScriptedPath) -> None:
    """When both meet the same router, SYNs ask only for what is behind it."""
    network.answer = path_of(40, silent=tuple(range(4, 40)))
    network.syn = syn_path(6)
    path = await traced(network, port=443)
    assert addresses(path) == [*(router(ttl) for ttl in range(1, 6)), HERE.host]
    assert (path.reached, path.protocol) == (True, "tcp")
    assert not {1, 2} & set(network.syns)


async def test_syns_trace_all_of_a_path_that_is_another(network: ScriptedPath) -> None:
    """When the router is not the same, no hop of the other path is in the result."""

    def elsewhere(ttl: int, sequence: int, payload: bytes) -> list[PathEvent]:
        return [expired(ttl + 100, sequence, payload)] if ttl < 4 else []

    network.answer = elsewhere
    network.syn = syn_path(6, silent=(2,))
    path = await traced(network, port=443)
    assert addresses(path) == [router(1), None, router(3), router(4), router(5), HERE.host]


async def test_without_icmp_syns_trace_the_path(network: ScriptedPath) -> None:
    """Where no ICMP socket is allowed the path is TCP's; without a port the result says what is missing."""
    network.allowed = False
    network.syn = syn_path(4)
    path = await traced(network, port=443)
    assert (addresses(path)[-1], path.protocol, path.reached) == (HERE.host, "tcp", True)
    path = await traced(network)
    assert (path.hops, path.error) == ((), "no ICMP over IPv4 for 0")


async def test_a_destination_that_answers_nothing_keeps_the_path_of_icmp(network: ScriptedPath) -> None:
    """SYNs that stay silent with a full life are not sent with short ones."""
    network.answer = path_of(40, silent=tuple(range(4, 40)))
    path = await traced(network, port=443)
    assert (addresses(path), path.protocol) == ([router(1), router(2), router(3)], "icmp")
    assert network.syns == [64, 64]


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_trace_that_nobody_answers_ends_within_four_seconds(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    """All waits together, one after the other, stay under the limit."""
    network = ScriptedPath(clock)
    network.answer = lambda *_: []
    network.allowed = allowed
    real = asyncio.timeout

    def quick(delay_s: float) -> asyncio.Timeout:
        clock.advance(delay_s)
        return real(0)

    monkeypatch.setattr(asyncio, "timeout", quick)
    started_s = clock.monotonic()
    path = await traced(network, port=443)
    assert 1 < clock.monotonic() - started_s < 4
    assert (path.hops, path.reached, path.error) == ((), False, NOBODY)


async def test_what_cannot_be_sent_is_said(network: ScriptedPath) -> None:
    """Without a route there is no path, and the reason is in the result."""
    network.failure = OSError(errno.ENETUNREACH, "Network is unreachable")
    path = await traced(network)
    assert (path.hops, path.error) == ((), "cannot send: network is unreachable")


async def test_many_traces_share_a_socket_and_keep_apart(network: ScriptedPath) -> None:
    """Twenty traces at the same time each find their own path, and leave nothing behind."""
    network.answer = path_of(7)
    tracer = PathTracer(network, network.clock, random.Random(1))
    paths = await asyncio.gather(*(tracer.trace(HERE, port=None) for _ in range(20)))
    assert {tuple(addresses(path)) for path in paths} == {(*(router(ttl) for ttl in range(1, 7)), HERE.host)}
    engine = tracer._engines[4]
    assert (engine._by_sequence, engine._by_key) == ({}, {})


def test_the_first_public_hop_is_the_providers() -> None:
    """Private, shared and silent hops are passed over."""
    hops = [None, "192.168.1.1", "100.64.0.1", "fe80::1", "9.9.9.9", "8.8.8.8"]
    path = PathResult(
        destination="8.8.8.8",
        hops=tuple(HopResult(number=at, address=host) for at, host in enumerate(hops, 1)),
    )
    found = first_public_hop(path)
    assert found is not None
    assert (found.number, found.address) == (5, "9.9.9.9")
    assert first_public_hop(PathResult(destination="10.0.0.1")) is None
