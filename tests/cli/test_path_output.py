"""A path as a person reads it."""

from hopsight.agent.results import HopResult, PathResult
from hopsight.cli.path_output import path_lines


def test_a_path_is_a_row_for_each_hop() -> None:
    """Silence is an asterisk; names, numbers, loss and time stand in their columns."""
    hops = (
        HopResult(number=1, address="192.168.1.1", rtt_ms=0.51, pkts_sent=3, pkts_received=3, name="router"),
        HopResult(number=2, pkts_sent=3),
        HopResult(
            number=3,
            address="9.9.9.9",
            rtt_ms=12.3456,
            pkts_sent=3,
            pkts_received=2,
            asn=19281,
            mpls=("L=301472,E=0,S=1,T=1",),
        ),
    )
    assert path_lines(PathResult(destination="9.9.9.9", reached=True, hops=hops)) == [
        "path to 9.9.9.9 by ICMP",
        "  HOP  ADDRESS      NAME    AS       LOSS     RTT  MPLS",
        "    1  192.168.1.1  router             0%   0.510",
        "    2  *                             100%",
        "    3  9.9.9.9              AS19281   33%  12.346  L=301472,E=0,S=1,T=1",
    ]


def test_columns_that_say_nothing_are_left_out() -> None:
    """Without names, numbers and labels there are no columns for them; an unreached destination is told."""
    hops = (HopResult(number=1, address="fd00::1", rtt_ms=1, pkts_sent=1, pkts_received=1),)
    assert path_lines(PathResult(destination="fd00::9", protocol="tcp", hops=hops)) == [
        "path to fd00::9 by TCP",
        "  HOP  ADDRESS  LOSS    RTT",
        "    1  fd00::1    0%  1.000",
        "the destination did not answer",
    ]


def test_no_path_is_its_reason() -> None:
    """An error is one line."""
    lines = path_lines(PathResult(destination="192.0.2.1", error="no hop answered"))
    assert lines == ["path to 192.0.2.1 by ICMP: no hop answered"]
