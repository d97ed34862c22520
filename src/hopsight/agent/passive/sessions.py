"""User sessions of real traffic: closed connections grouped by site, port and round (``docs/passive.md``)."""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog
from msgspec import Struct

from hopsight.agent.network import ClosedSocket, NameSocket, PassiveNetwork
from hopsight.agent.passive.dns_answers import parse_answer
from hopsight.agent.passive.name_book import NameBook
from hopsight.agent.passive.sites import SiteFilter
from hopsight.agent.passive.watch import ClosedConnection, PassiveWatch
from hopsight.clock import Clock
from hopsight.errors import ProbeUnavailableError
from hopsight.model.ids import new_session_id, round_of
from hopsight.model.network_documents import NetworkProfileDocument
from hopsight.model.times import format_utc
from hopsight.model.upload import UserSessionRecord
from hopsight.model.user_sessions import (
    PassiveTraffic,
    SessionDetail,
    SessionNetwork,
    UserSession,
    site_protocol,
)

PROBE: Final = "passive/1"
PASSIVE: Final = "passive"
"""The flag of a session that was watched, not probed."""
COARSE_RTT: Final = "min RTT in whole ms"
"""The flag of one whose connections all sent segments again (``is_coarse``)."""
MAX_SESSIONS: Final = 500
"""Most sessions of one round: those of most connections are kept, the others counted and let go."""
_MAX_COUNT: Final = 1_000_000
_MAX_MS: Final = 1e9

_log = structlog.get_logger()


class _Group:
    """Connections of one round to one site and port."""

    __slots__ = ("addresses", "name_from", "sockets", "started_s")

    def __init__(self, started_s: float, name_from: str) -> None:
        self.started_s = started_s
        self.name_from = name_from
        self.sockets: list[ClosedSocket] = []
        self.addresses: dict[str, int] = {}

    def add(self, one: ClosedConnection) -> None:
        remote = one.socket.remote
        self.sockets.append(one.socket)
        self.addresses[remote] = self.addresses.get(remote, 0) + 1
        self.started_s = min(self.started_s, one.closed_at_s)


class _Site(Struct, frozen=True):
    name: str
    name_from: str
    admitted: bool


class PassiveSessions:
    """The watch, the names and the grouping together. Off unless started; may be started again.

    Args:
        network: the door to the system.
        clock: stamps connections.
        rng: makes session IDs.
        sites: what may be watched.
        reverse_name: the reverse name of an address if it is known by now; asks for it otherwise. It must
            answer at once.
        profile: where the endpoint is attached now, for the sessions' detail.
    """

    def __init__(
        self,
        network: PassiveNetwork,
        clock: Clock,
        rng: random.Random,
        *,
        sites: SiteFilter,
        reverse_name: Callable[[str], str | None] = lambda _: None,
        profile: Callable[[], NetworkProfileDocument | None] = lambda: None,
    ) -> None:
        self._network = network
        self._clock = clock
        self._rng = rng
        self._sites = sites
        self._reverse_name = reverse_name
        self._profile = profile
        self._names = NameBook(clock)
        self._watch = PassiveWatch(network, clock, self._name_of)
        self._answers: NameSocket | None = None
        self._running = False
        self.missing: set[str] = set()
        """What the system does not let us see, and how to get it: a line each."""

    def start(self) -> bool:
        """Begin to watch, on the running event loop; before anything else of the agent connects.

        Returns:
            Whether the system lets us. If not, one line in the log has said what is missing.
        """
        if self._running:
            return True
        self.missing = set()
        try:
            self._watch.start()
        except ProbeUnavailableError as error:
            _log.warning("real traffic is not watched", reason=str(error))
            self.missing.add(str(error))
            return False
        self._running = True
        self._network.tell_resolved(self._names.note)
        try:
            self._answers = self._network.open_name_watch()
            self._answers.listen(self._read_answers)
        except ProbeUnavailableError as error:
            _log.info("watching real traffic", names=str(error))
            self.missing.add(str(error))
        else:
            _log.info("watching real traffic", names="from name servers' answers")
        return True

    def finished(self, now_s: float, aid: int, agent_id: str) -> list[UserSessionRecord]:
        """Sessions of all rounds that are over at ``now_s`` (epoch seconds) and were not given yet."""
        if not self._running:
            return []
        current = round_of(now_s)
        taken = self._watch.take(current)
        missed = self._watch.missed()
        if missed:
            _log.warning("more connections closed than could be noted", missed=missed)
        rounds: dict[int, list[ClosedConnection]] = {}
        for one in taken:
            rounds.setdefault(round_of(one.closed_at_s), []).append(one)
        profile = self._profile() if rounds else None
        return [
            self._record((site, port), group, round_id, aid, agent_id, profile)
            for round_id in sorted(rounds)
            for (site, port), group in self._busiest(rounds[round_id])
        ]

    def close(self) -> None:
        """Stop watching; what was not given is forgotten, names too."""
        self._running = False
        self._network.tell_resolved(None)
        if self._answers is not None:
            self._answers.close()
            self._answers = None
        self._watch.close()
        self._names.clear()

    def _busiest(
        self, connections: Sequence[ClosedConnection]
    ) -> Iterable[tuple[tuple[str, int | None], _Group]]:
        groups = self._grouped(connections)
        kept = sorted(groups.items(), key=lambda item: -len(item[1].sockets))
        if len(kept) > MAX_SESSIONS:
            _log.warning(
                "too many sites in one round of real traffic: the least used are left out",
                sites=len(kept),
                left_out=len(kept) - MAX_SESSIONS,
            )
        return kept[:MAX_SESSIONS]

    def _grouped(self, connections: Sequence[ClosedConnection]) -> dict[tuple[str, int | None], _Group]:
        groups: dict[tuple[str, int | None], _Group] = {}
        sites: dict[tuple[str, str | None], _Site] = {}
        for one in connections:
            key = (one.socket.remote, one.name)
            site = sites.get(key)
            if site is None:
                site = sites[key] = self._site(*key)
            if not site.admitted:
                continue
            place = (site.name, one.socket.remote_port or None)
            group = groups.get(place)
            if group is None:
                group = groups[place] = _Group(one.closed_at_s, site.name_from)
            group.add(one)
        return groups

    def _site(self, address: str, name: str | None) -> _Site:
        if not self._sites.may_admit(address):
            return _Site(address, "address", admitted=False)
        name_from = "dns"
        known = self._names.names_of(address)
        if name is None and known:
            name = known[0]
        if name is None:
            name, name_from = self._reverse_name(address), "reverse"
        admitted = self._sites.admits(address, name, known)
        return _Site(name or address, name_from if name else "address", admitted)

    def _name_of(self, address: str) -> str | None:
        """The name at the moment of closing; without one, the reverse name is asked for meanwhile."""
        known = self._names.names_of(address)
        if known:
            return known[0]
        if self._sites.may_admit(address):
            self._reverse_name(address)
        return None

    def _read_answers(self) -> None:
        if self._answers is None:
            return
        for message in self._answers.receive():
            answer = parse_answer(message)
            if answer is not None:
                self._names.note(answer.name, answer.addresses)

    def _record(
        self,
        place: tuple[str, int | None],
        group: _Group,
        round_id: int,
        aid: int,
        agent_id: str,
        profile: NetworkProfileDocument | None,
    ) -> UserSessionRecord:
        site, port = place
        timed = [one for one in group.sockets if one.min_rtt_ms is not None]
        coarse = bool(timed) and all(map(is_coarse, timed))
        document = UserSession(
            user_session_id=str(new_session_id(aid, round_id, self._rng)),
            agent_id=agent_id,
            round_id=round_id,
            date=format_utc(group.started_s),
            visited_site=site,
            number_of_pages=0,
            protocol="tcp" if port is None else site_protocol(port),
            port=port,
        )
        detail = SessionDetail(
            network=SessionNetwork(network_profile=profile),
            passive=traffic_of(group.sockets, group.name_from),
            flags=(PASSIVE, COARSE_RTT) if coarse else (PASSIVE,),
            probe=PROBE,
        )
        address = max(group.addresses, key=group.addresses.__getitem__)
        return UserSessionRecord(document=document, detail=detail, context=0, destination_ip=address)


def traffic_of(sockets: Sequence[ClosedSocket], name_from: str) -> PassiveTraffic:
    """What the kernel said of connections, put together; what it did not say is absent."""
    smoothed = _known(one.smoothed_rtt_ms for one in sockets)
    lowest = _known(one.min_rtt_ms for one in sockets if not is_coarse(one))
    lowest = lowest or _known(one.min_rtt_ms for one in sockets)
    return PassiveTraffic(
        connections=len(sockets),
        failed=sum(not one.established for one in sockets),
        min_rtt_ms=min(lowest) if lowest else None,
        smoothed_rtt_ms=_median(smoothed) if smoothed else None,
        retransmits=_total((one.retransmits for one in sockets), _MAX_COUNT),
        segments_sent=_total(one.segments_sent for one in sockets),
        bytes_sent=_total(one.bytes_sent for one in sockets),
        bytes_received=_total(one.bytes_received for one in sockets),
        name_from=name_from,
    )


def is_coarse(one: ClosedSocket) -> bool:
    """Whether the lowest RTT may be up to 1 ms too low.

    The answer to a segment that was sent again is timed by TCP's timestamps, which count whole ms.
    """
    return bool(one.retransmits) and one.min_rtt_ms is not None and one.min_rtt_ms.is_integer()


def _known(values: Iterable[float | None]) -> list[float]:
    return [min(value, _MAX_MS) for value in values if value is not None]


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _total(values: Iterable[int | None], most: int = 2**62) -> int | None:
    known = [value for value in values if value is not None]
    return min(sum(known), most) if known else None
