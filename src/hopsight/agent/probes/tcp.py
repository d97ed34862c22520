"""Fresh TCP connections, timed by the kernel's handshake RTT (MEASUREMENT.md, the table)."""

import asyncio
from typing import Final

from hopsight.agent.network import Address, Network, TcpOutcome
from hopsight.agent.pacing import paced
from hopsight.agent.results import USER_SPACE_TIME, ConnectResult, PingResult, ProbeOptions
from hopsight.clock import Clock

SYN_RETRANSMITTED: Final = "SYN retransmitted"
_MAX_ERRORS: Final = 8


class TcpSeries:
    """A series of connections to one port of one address."""

    def __init__(
        self, network: Network, address: Address, port: int, options: ProbeOptions, clock: Clock
    ) -> None:
        self._network = network
        self._address = address
        self._port = port
        self._options = options
        self._clock = clock
        self._outcomes: dict[int, TcpOutcome] = {}

    async def run(self, phase_s: float) -> None:
        """Connect ``count`` times; a slow one does not hold up the next."""
        options = self._options
        async with asyncio.TaskGroup() as tasks:
            async for number in paced(self._clock, options.count, options.interval_s, phase_s):
                tasks.create_task(self._connect(number))

    def finish(self) -> PingResult:
        """Give the result. A reset is an answer; a retransmitted SYN is a lost probe."""
        sent = [outcome for _, outcome in sorted(self._outcomes.items()) if outcome.sent]
        answered = [outcome for outcome in sent if _in_time(outcome, self._options.timeout_s)]
        rtts_ms = [_rtt_s(outcome) * 1000 for outcome in answered]
        user_space = any(outcome.kernel_rtt_s is None for outcome in answered)
        return PingResult(
            protocol="tcp",
            pkts_sent=len(sent),
            late=sum(_late(outcome, self._options.timeout_s) for outcome in sent),
            resets=sum(outcome.reset for outcome in sent),
            prohibited=sum(outcome.prohibited for outcome in sent),
            rtts_ms=tuple(rtts_ms),
            flags=(USER_SPACE_TIME,) if user_space else (),
            errors=self._errors(),
        )

    async def _connect(self, number: int) -> None:
        self._outcomes[number] = await self._network.connect_tcp(
            self._address, self._port, self._options.timeout_s
        )

    def _errors(self) -> tuple[str, ...]:
        texts = (
            f"TCP port {self._port}: {outcome.error}"
            for _, outcome in sorted(self._outcomes.items())
            if outcome.error is not None
        )
        return tuple(dict.fromkeys(texts))[:_MAX_ERRORS]


async def connect_once(
    network: Network, address: Address, port: int, timeout_s: float, *, port_guessed: bool
) -> ConnectResult:
    """Connect once, as a person's program would: retransmissions and all."""
    outcome = await network.connect_tcp(address, port, timeout_s)
    answered = outcome.connected or outcome.reset
    flags = [USER_SPACE_TIME] if answered and outcome.kernel_rtt_s is None else []
    if outcome.retransmits:
        flags.append(SYN_RETRANSMITTED)
    return ConnectResult(
        port=port,
        port_guessed=port_guessed,
        rtt_ms=_rtt_s(outcome) * 1000 if answered else None,
        reset=outcome.reset,
        retransmits=outcome.retransmits,
        flags=tuple(flags),
        error=outcome.error,
    )


def _rtt_s(outcome: TcpOutcome) -> float:
    return outcome.elapsed_s if outcome.kernel_rtt_s is None else outcome.kernel_rtt_s


def _answered(outcome: TcpOutcome) -> bool:
    return (outcome.connected or outcome.reset) and not outcome.retransmits


def _in_time(outcome: TcpOutcome, timeout_s: float) -> bool:
    return _answered(outcome) and _rtt_s(outcome) <= timeout_s


def _late(outcome: TcpOutcome, timeout_s: float) -> bool:
    return _answered(outcome) and _rtt_s(outcome) > timeout_s
