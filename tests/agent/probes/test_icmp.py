"""The ICMP engine against a door whose other side the test holds."""

import asyncio
import errno
from typing import Any

import pytest

from hopsight.agent.network import Address, EchoReply, IcmpEvent, Refusal, SendStamp
from hopsight.agent.probes.icmp import IcmpEngine, IcmpSeries
from hopsight.agent.results import CLOCK_STEPPED, USER_SPACE_TIME, PingResult, ProbeOptions
from hopsight.testing import FakeClock

pytestmark = pytest.mark.anyio

HERE = Address("192.0.2.1")
OTHER = Address("192.0.2.2")


async def series_of(
    engine: IcmpEngine, clock: FakeClock, count: int = 4, timeout_s: float = 0.01, address: Address = HERE
) -> PingResult:
    options = ProbeOptions(count=count, interval_s=0.1, timeout_s=timeout_s)
    series = IcmpSeries(engine, address, options, clock)
    await series.run(0.0)
    return series.finish()


def stamped(clock: FakeClock, key: int, reply: EchoReply, rtt_ns: int) -> list[IcmpEvent]:
    """A reply with kernel stamps ``rtt_ns`` apart, read as much later by the monotonic clock."""
    sent_ns = int(clock.now() * 1e9) + 1_000_000
    clock.advance(rtt_ns / 1e9)
    return [SendStamp(key, sent_ns), reply._replace(kernel_ns=sent_ns + rtt_ns)]


async def test_kernel_stamps_are_the_time(icmp: Any, engine: IcmpEngine, clock: FakeClock) -> None:
    """A round-trip time is receive minus send stamp, whatever the program's own clock saw."""

    def answer(key: int, address: Address, sequence: int, payload: bytes) -> list[IcmpEvent]:
        events = stamped(clock, key, EchoReply(address, sequence, payload, None), 5_000)
        clock.advance(0.004)  # the program was busy, and looked late
        return events

    icmp.answer = answer
    result = await series_of(engine, clock)
    assert result.rtts_ms == pytest.approx([0.005] * 4)
    assert (result.pkts_sent, result.pkts_received, result.loss_percent) == (4, 4, 0)
    assert result.flags == ()


async def test_a_late_kernel_stamp_alone_makes_a_reply_late(
    icmp: Any, engine: IcmpEngine, clock: FakeClock
) -> None:
    """A reply after the timeout is late, and its probe lost; a slow program makes none late."""
    icmp.answer = lambda key, address, sequence, payload: stamped(
        clock, key, EchoReply(address, sequence, payload, None), 20_000_000 if key == 1 else 9_000_000
    )
    result = await series_of(engine, clock)
    assert (result.pkts_sent, result.pkts_received, result.late) == (4, 3, 1)
    assert result.loss_percent == 25
    assert max(result.rtts_ms) == pytest.approx(9)


async def test_duplicates_are_counted_apart(icmp: Any, engine: IcmpEngine, clock: FakeClock) -> None:
    """Three answers to each probe are one answer and two duplicates."""
    icmp.answer = lambda _, address, sequence, payload: [EchoReply(address, sequence, payload, None)] * 3
    result = await series_of(engine, clock)
    assert (result.pkts_received, result.duplicates) == (4, 8)


@pytest.mark.parametrize("forged", ["address", "token", "short", "sequence"])
async def test_strangers_are_not_believed(
    icmp: Any, engine: IcmpEngine, clock: FakeClock, forged: str
) -> None:
    """An answer from another address, or without the token, is nobody's."""

    def answer(_: int, address: Address, sequence: int, payload: bytes) -> list[IcmpEvent]:
        return {
            "address": [EchoReply(OTHER, sequence, payload, None)],
            "token": [EchoReply(address, sequence, b"\0" + payload[1:], None)],
            "short": [EchoReply(address, sequence, payload[:16], None)],
            "sequence": [EchoReply(address, sequence ^ 0x8000, payload, None)],
        }[forged]  # type: ignore[return-value]

    icmp.answer = answer
    result = await series_of(engine, clock)
    assert (result.pkts_received, result.loss_percent) == (0, 100)
    assert result.strangers == (0 if forged == "sequence" else 4)
    assert engine.strangers == (4 if forged == "sequence" else 0)


@pytest.mark.parametrize("kernel_ns", [-1_000, 5_000_000])
async def test_a_stepped_clock_is_flagged(
    icmp: Any, engine: IcmpEngine, clock: FakeClock, kernel_ns: int
) -> None:
    """A kernel time that is negative, or over the monotonic one by more than 1 ms, gives way to it."""

    def answer(key: int, address: Address, sequence: int, payload: bytes) -> list[IcmpEvent]:
        sent_ns = int(clock.now() * 1e9) + 1_000_000
        clock.advance(0.003)
        return [SendStamp(key, sent_ns), EchoReply(address, sequence, payload, sent_ns + kernel_ns)]

    icmp.answer = answer
    result = await series_of(engine, clock)
    assert result.rtts_ms == pytest.approx([3] * 4)
    assert result.flags == (CLOCK_STEPPED,)


async def test_without_stamps_the_time_is_the_programs_and_flagged(
    icmp: Any, engine: IcmpEngine, clock: FakeClock
) -> None:
    """Where the kernel gives no stamps the monotonic clock does, and the result says so."""

    def answer(_: int, address: Address, sequence: int, payload: bytes) -> list[IcmpEvent]:
        clock.advance(0.002)
        return [EchoReply(address, sequence, payload, None)]

    icmp.answer = answer
    result = await series_of(engine, clock)
    assert result.rtts_ms == pytest.approx([2] * 4)
    assert result.flags == (USER_SPACE_TIME,)


async def test_a_probe_that_cannot_be_sent_is_an_error_and_not_loss(
    icmp: Any, engine: IcmpEngine, clock: FakeClock
) -> None:
    """What the kernel does not accept was not sent."""
    unreachable = OSError(errno.ENETUNREACH, "Network is unreachable")
    icmp.failures = [unreachable, unreachable]
    icmp.answer = lambda _, address, sequence, payload: [EchoReply(address, sequence, payload, None)]
    result = await series_of(engine, clock)
    assert (result.pkts_sent, result.pkts_received, result.loss_percent) == (3, 3, 0)
    assert result.errors == ("cannot send: network is unreachable",)


async def test_an_earlier_probes_refusal_does_not_stop_the_next(
    icmp: Any, engine: IcmpEngine, clock: FakeClock
) -> None:
    """A socket reports a refusal of some other target's probe at the next send, which is then repeated."""
    icmp.failures = [OSError(errno.EHOSTUNREACH, "No route to host")]
    icmp.answer = lambda _, address, sequence, payload: [EchoReply(address, sequence, payload, None)]
    result = await series_of(engine, clock)
    assert (result.pkts_sent, result.pkts_received, result.errors) == (4, 4, ())


async def test_nothing_sent_leaves_loss_absent(icmp: Any, engine: IcmpEngine, clock: FakeClock) -> None:
    """Loss over no probes is not a number."""
    icmp.failures = [OSError(errno.EPERM, "Operation not permitted")] * 8
    result = await series_of(engine, clock)
    assert (result.pkts_sent, result.loss_percent, result.statistics) == (0, None, None)


async def test_a_refusal_ends_the_waiting(icmp: Any, engine: IcmpEngine, clock: FakeClock) -> None:
    """A series whose probes are all refused does not wait for the timeout."""
    icmp.answer = lambda _, address, sequence, payload: [
        Refusal(address, sequence, payload[:8], "administratively prohibited", True)
    ]
    async with asyncio.timeout(5):
        result = await series_of(engine, clock, timeout_s=60)
    assert (result.pkts_received, result.prohibited) == (0, 4)
    assert result.errors == ("administratively prohibited",)


async def test_a_forged_refusal_is_not_believed(icmp: Any, engine: IcmpEngine, clock: FakeClock) -> None:
    """A refusal that quotes another payload than was sent changes nothing."""
    icmp.answer = lambda _, address, sequence, payload: [
        Refusal(address, sequence, b"\xff" * 8, "administratively prohibited", True),
        EchoReply(address, sequence, payload, None),
    ]
    result = await series_of(engine, clock)
    assert (result.prohibited, result.strangers, result.pkts_received) == (0, 4, 4)


async def test_nothing_is_remembered_of_a_finished_series(
    icmp: Any, engine: IcmpEngine, clock: FakeClock
) -> None:
    """The engine's memory is of the probes under way, and so bounded by them."""
    await series_of(engine, clock, count=50)
    assert not engine._by_sequence
    assert not engine._by_key
    icmp.waiting = [EchoReply(HERE, icmp.sent[0][1], icmp.sent[0][2], None)]
    engine.receive()
    assert engine.strangers == 1


async def test_series_of_many_targets_do_not_mix(icmp: Any, engine: IcmpEngine, clock: FakeClock) -> None:
    """Over one socket each series gets its own answers."""
    icmp.answer = lambda _, address, sequence, payload: (
        [EchoReply(address, sequence, payload, None)] if address == HERE else []
    )
    lost, found = await asyncio.gather(
        series_of(engine, clock, address=OTHER), series_of(engine, clock, address=HERE)
    )
    assert (lost.pkts_received, found.pkts_received) == (0, 4)
    assert len({payload for _, _, payload in icmp.sent}) == 8
