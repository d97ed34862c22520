"""Whether this machine is to measure, and whether it can: the states ``disabled`` and ``offline``."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from hopsight.agent.network import Network
from hopsight.agent.profile.profile import read_dns_servers
from hopsight.agent.states.attachment import attached, is_loopback
from hopsight.agent.states.states import Condition
from hopsight.clock import Clock
from hopsight.model.agents import Target
from hopsight.model.upload import AgentConfiguration

_NEVER_S: Final = float("-inf")


class Circumstances:
    """What holds now, asked for at every look and at both ends of every measurement.

    Args:
        network: asked for routes.
        clock: tells when.
        wanted: what the server wants, as far as is known.
        is_attached: whether packets can leave for any of these hosts; None: ``attached``.
    """

    def __init__(
        self,
        network: Network,
        clock: Clock,
        wanted: Callable[[], AgentConfiguration],
        is_attached: Callable[[Iterable[str]], bool] | None = None,
    ) -> None:
        self._clock = clock
        self._wanted = wanted
        self._is_attached = is_attached or (lambda hosts: attached(network, hosts))
        self._hosts: tuple[str, ...] = ()
        self._cut_off_s = _NEVER_S

    def note_targets(self, targets: Sequence[Target]) -> None:
        """What is to be measured from now on."""
        elsewhere = tuple(target.host for target in targets if not is_loopback(target.host))
        self._hosts = (*elsewhere, *read_dns_servers()) if elsewhere else ()

    def now(self) -> Condition | None:
        """What holds now; an agent that measures itself alone is never offline."""
        if not self._wanted().enabled:
            return "disabled"
        if self._hosts and not self._is_attached(self._hosts):
            self._cut_off_s = self._clock.boottime()
            return "offline"
        return None

    def possible(self, targets: Sequence[Target]) -> list[Target]:
        """Of what is to be measured, what can be: without a network, this machine alone."""
        condition = self.now()
        if condition == "disabled":
            return []
        return [target for target in targets if condition is None or is_loopback(target.host)]

    def was_cut_off_since(self, boottime_s: float) -> bool:
        """Whether the machine was found offline at or after a moment of the boot-time clock, or is now."""
        self.now()
        return self._cut_off_s >= boottime_s
