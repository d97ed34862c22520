"""Grouping of closed connections into user sessions, by what the door gave."""

import random
from collections.abc import Callable, Sequence

import msgspec
import pytest
from structlog.testing import capture_logs

from hopsight.agent.network import ClosedSocket, NameSocket, OnResolved, WatchSocket
from hopsight.agent.passive import watch
from hopsight.agent.passive.sessions import MAX_SESSIONS, PassiveSessions
from hopsight.agent.passive.sites import SiteFilter
from hopsight.errors import ProbeUnavailableError
from hopsight.model.network_documents import NetworkProfileDocument
from hopsight.model.upload import UserSessionRecord
from hopsight.testing import AGENT_ID, ROUND_ID, FakeClock

AID = 7625


class FakeDoor:
    """Gives what it was handed; is the socket that it opens, too."""

    def __init__(self) -> None:
        self.lost = 0
        self.coming: list[ClosedSocket] = []
        self.ports: frozenset[int] = frozenset({22})
        self.unavailable: str | None = None
        self.resolved: OnResolved | None = None
        self.on_ready: Callable[[], None] | None = None

    def open_watch(self) -> WatchSocket:
        """This, or why not."""
        if self.unavailable:
            raise ProbeUnavailableError(self.unavailable)
        return self

    def open_name_watch(self) -> NameSocket:
        """Never allowed."""
        raise ProbeUnavailableError("no CAP_NET_RAW")

    def tell_resolved(self, on_resolved: OnResolved | None) -> None:
        """Kept for the test to call."""
        self.resolved = on_resolved

    def listening_ports(self) -> frozenset[int]:
        """As the test says."""
        return self.ports

    def own_addresses(self) -> frozenset[str]:
        """One."""
        return frozenset({"10.0.0.5"})

    def listen(self, on_ready: Callable[[], None]) -> None:
        """Kept for `announce`."""
        self.on_ready = on_ready

    def receive(self) -> list[ClosedSocket]:
        """What was announced."""
        found, self.coming = self.coming, []
        return found

    def close(self) -> None:
        """Hear nothing more."""
        self.on_ready = None

    def announce(self, *sockets: ClosedSocket) -> None:
        """As when the kernel had something to say just now."""
        self.coming += sockets
        assert self.on_ready is not None
        self.on_ready()


def closed(
    remote: str = "192.0.2.7", port: int = 443, *, local_port: int = 40_000, **values: object
) -> ClosedSocket:
    fields: dict[str, object] = {
        "cookie": 1,
        "local": "10.0.0.5",
        "established": True,
        "min_rtt_ms": 10.0,
        "smoothed_rtt_ms": 12.0,
        "retransmits": 1,
        "segments_sent": 10,
        "bytes_sent": 1_000,
        "bytes_received": 5_000,
    }
    fields |= {"remote": remote, "remote_port": port, "local_port": local_port, **values}
    return msgspec.convert(fields, ClosedSocket)


class Watched:
    """Sessions over a fake door and a clock that is told what time it is."""

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self.door = FakeDoor()
        self.clock = FakeClock(float(ROUND_ID))
        self.asked: list[str] = []
        self.reverse: dict[str, str] = {}
        self.sessions = PassiveSessions(
            self.door,
            self.clock,
            random.Random(1),
            sites=SiteFilter.parse(include, exclude),
            reverse_name=self._reverse_name,
            profile=lambda: NetworkProfileDocument(interface_name="eth0"),
        )
        assert self.sessions.start()

    def _reverse_name(self, address: str) -> str | None:
        self.asked.append(address)
        return self.reverse.get(address)

    def over(self, after_s: float = 60.0) -> list[UserSessionRecord]:
        """The rounds that are over after so many seconds more."""
        self.clock.advance(after_s)
        return self.sessions.finished(self.clock.now(), AID, AGENT_ID)


def sites(records: Sequence[UserSessionRecord]) -> set[tuple[str, int | None]]:
    return {(record.document.visited_site, record.document.port) for record in records}


def test_a_round_makes_one_session_of_a_site_and_port() -> None:
    """Connections are put together; the session says that it was watched, and no probe's value is in it."""
    watched = Watched()
    watched.clock.advance(7)
    watched.door.announce(
        closed(min_rtt_ms=11.0, smoothed_rtt_ms=20.0),
        closed(min_rtt_ms=9.5, smoothed_rtt_ms=14.0),
        closed(min_rtt_ms=None, smoothed_rtt_ms=None, established=False, bytes_sent=0, bytes_received=0),
    )
    (record,) = watched.over()
    document, detail = record.document, record.detail
    assert document.user_session_id.startswith(f"{AID:05d}:{ROUND_ID}:")
    assert (document.round_id, document.visited_site, document.protocol) == (ROUND_ID, "192.0.2.7", "https")
    assert (document.port, document.number_of_pages, record.destination_ip) == (443, 0, "192.0.2.7")
    assert (record.trigger, detail.probe, detail.flags) == ("auto", "passive/1", ("passive",))
    assert (detail.network.ping, detail.network.connect, detail.network.traceroute) == (None, None, None)
    assert (detail.verdict, detail.segments) == (None, ())
    assert detail.network.network_profile == NetworkProfileDocument(interface_name="eth0")
    assert msgspec.to_builtins(detail.passive) == {
        "connections": 3,
        "failed": 1,
        "minRtt": 9.5,
        "smoothedRtt": 17.0,
        "retransmits": 3,
        "segmentsSent": 30,
        "bytesSent": 2_000,
        "bytesReceived": 10_000,
        "nameFrom": "address",
    }
    assert document.date.endswith(":07")


def test_a_coarse_rtt_counts_only_where_there_is_no_better() -> None:
    """After a retransmission the kernel may count in whole ms, too low: other connections come first."""
    watched = Watched()
    coarse = closed(min_rtt_ms=9.0, retransmits=2)
    watched.door.announce(
        coarse, closed(min_rtt_ms=9.6, retransmits=0), closed(min_rtt_ms=9.7, retransmits=1)
    )
    watched.door.announce(closed(port=80, min_rtt_ms=9.0, retransmits=0))
    watched.door.announce(
        closed(port=8_080, min_rtt_ms=9.0, retransmits=2), closed(port=8_080, min_rtt_ms=None)
    )
    found = {
        record.document.port: (
            record.detail.passive and record.detail.passive.min_rtt_ms,
            record.detail.flags,
        )
        for record in watched.over()
    }
    assert found == {
        443: (9.6, ("passive",)),
        80: (9.0, ("passive",)),
        8_080: (9.0, ("passive", "min RTT in whole ms")),
    }


def test_only_rounds_that_are_over_are_given_and_each_once() -> None:
    """A connection of the current round waits for its end; rounds have sessions of their own."""
    watched = Watched()
    watched.door.announce(closed())
    assert watched.over(59) == []
    watched.clock.advance(1)
    watched.door.announce(closed())
    assert [record.document.round_id for record in watched.over(0)] == [ROUND_ID]
    assert [record.document.round_id for record in watched.over(60)] == [ROUND_ID + 60]
    assert watched.over(60) == []


def test_a_clock_set_back_holds_nothing_for_ever() -> None:
    """Connections noted before the step come with the rounds that their stamps name."""
    watched = Watched()
    watched.door.announce(closed())
    watched.clock.step(-3_600)
    assert watched.over(60) == []
    assert len(watched.over(3_600)) == 1


def test_connections_from_outside_are_left_out() -> None:
    """By the listener that is there, that was there at the last look, or that closed without being seen."""
    watched = Watched()
    watched.door.announce(closed(local_port=22), closed(local_port=8_080), closed(local_port=9_090))
    watched.door.announce(closed("0.0.0.0", 0, local_port=9_090, local="0.0.0.0", established=False))
    watched.door.ports = frozenset({8_080})
    assert watched.over() == []


def test_a_port_taken_and_let_go_makes_no_server_for_long() -> None:
    """A socket that had a port and no other end may have listened: for three minutes, not for a day."""
    watched = Watched()
    watched.door.announce(closed("0.0.0.0", 0, local_port=40_000, local="0.0.0.0", established=False))
    assert watched.over(200) == []
    watched.door.announce(closed(local_port=40_000))
    assert len(watched.over(60)) == 1


def test_connections_to_this_machine_are_left_out() -> None:
    """Its own addresses are no site, by whatever address it is reached from."""
    watched = Watched()
    watched.door.announce(
        closed("10.0.0.5"), closed("10.0.0.5", local="10.0.0.9"), closed("10.0.0.9", local="10.0.0.9")
    )
    assert watched.over() == []


def test_names_come_from_answers_then_from_reverse_look_ups_then_there_is_the_address() -> None:
    """And the session says where its name is from; a reverse name is asked for as soon as it is needed."""
    watched = Watched()
    assert watched.door.resolved is not None
    watched.door.resolved("www.example.com", ["192.0.2.1"])
    watched.door.announce(closed("192.0.2.1"), closed("192.0.2.2"), closed("192.0.2.3"))
    assert watched.asked == ["192.0.2.2", "192.0.2.3"]
    watched.reverse["192.0.2.2"] = "host2.example.net"
    found = {
        record.document.visited_site: record.detail.passive and record.detail.passive.name_from
        for record in watched.over()
    }
    assert found == {"www.example.com": "dns", "host2.example.net": "reverse", "192.0.2.3": "address"}


def test_a_name_is_the_one_of_the_time_of_closing() -> None:
    """Of two sites that share an address, each has what closed while its name was the last seen."""
    watched = Watched()
    assert watched.door.resolved is not None
    watched.door.resolved("one.example", ["192.0.2.1"])
    watched.door.announce(closed("192.0.2.1"))
    watched.door.resolved("two.example", ["192.0.2.1"])
    watched.door.announce(closed("192.0.2.1"))
    assert sites(watched.over()) == {("one.example", 443), ("two.example", 443)}


def test_addresses_of_one_name_are_one_session() -> None:
    """The address that most connections went to stands for them."""
    watched = Watched()
    assert watched.door.resolved is not None
    watched.door.resolved("a.example", ["192.0.2.1", "2001:db8::1"])
    watched.door.announce(closed("192.0.2.1"), closed("2001:db8::1"), closed("2001:db8::1"))
    (record,) = watched.over()
    assert (record.document.visited_site, record.destination_ip) == ("a.example", "2001:db8::1")


def test_lists_decide_by_name_and_by_network() -> None:
    """Nothing of an excluded site is in any record, and its network's names are not even asked for."""
    watched = Watched(include=["*.example", "192.0.2.0/24"], exclude=["bank.example", "192.0.2.66"])
    assert watched.door.resolved is not None
    watched.door.resolved("shop.example", ["198.51.100.1"])
    watched.door.resolved("bank.example", ["198.51.100.2"])
    watched.door.announce(
        *(closed(f"198.51.100.{n}") for n in (1, 2, 3)), closed("192.0.2.66"), closed("192.0.2.67")
    )
    assert sites(watched.over()) == {("shop.example", 443), ("192.0.2.67", 443)}
    assert "192.0.2.66" not in watched.asked


def test_a_connection_without_its_port_is_tcp_to_nowhere_in_particular() -> None:
    """A refused blocking connect has lost its port: the session has none, and is not called ICMP."""
    watched = Watched()
    watched.door.announce(closed(port=0, established=False, min_rtt_ms=None, smoothed_rtt_ms=None))
    (record,) = watched.over()
    assert (record.document.port, record.document.protocol) == (None, "tcp")
    assert record.detail.passive is not None
    assert record.detail.passive.failed == 1


def test_a_round_with_too_many_sites_keeps_the_busiest_and_says_so() -> None:
    """What is left out is in the log."""
    watched = Watched()
    watched.door.announce(*(closed(f"198.51.{n // 250}.{n % 250}") for n in range(MAX_SESSIONS + 20)))
    watched.door.announce(closed("203.0.113.9"), closed("203.0.113.9"))
    with capture_logs() as logs:
        records = watched.over()
    assert len(records) == MAX_SESSIONS
    assert ("203.0.113.9", 443) in sites(records)
    assert [log["left_out"] for log in logs] == [21]


def test_what_the_kernel_or_the_agent_had_no_room_for_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lost announcements are counted into one line a round."""
    monkeypatch.setattr(watch, "MAX_WAITING", 2)
    watched = Watched()
    watched.door.announce(*(closed() for _ in range(5)))
    watched.door.lost = 4
    with capture_logs() as logs:
        (record,) = watched.over()
        watched.over()
    assert record.detail.passive is not None
    assert record.detail.passive.connections == 2
    assert [log["missed"] for log in logs] == [7]


def test_where_it_cannot_watch_it_says_so_and_gives_nothing() -> None:
    """One line with what is missing; the agent goes on without."""
    watched = Watched()
    watched.sessions.close()
    watched.door.unavailable = "needs a kernel that tells"
    with capture_logs() as logs:
        assert not watched.sessions.start()
    assert [(log["log_level"], log["reason"]) for log in logs] == [("warning", "needs a kernel that tells")]
    assert watched.sessions.missing == {"needs a kernel that tells"}
    assert watched.over() == []
    watched.sessions.close()


def test_closed_it_forgets_and_can_be_started_again() -> None:
    """A disabled agent watches nothing, and knows nothing of the time before when it is enabled."""
    watched = Watched()
    watched.door.announce(closed())
    watched.sessions.close()
    assert watched.door.resolved is None
    assert watched.over() == []
    assert watched.sessions.start()
    watched.door.announce(closed("192.0.2.8"))
    assert sites(watched.over()) == {("192.0.2.8", 443)}
