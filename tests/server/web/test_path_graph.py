"""Many paths as one graph."""

from hopsight.model.network_documents import PathHop
from hopsight.server.web.path_graph import MAX_IN_LAYER, PathGraph, Trace, draw_graph, level_of


def trace(*addresses: str | None, agent: str = "a", network: str = "n", loss: float | None = 0.0) -> Trace:
    """A path over these addresses, 10 ms from hop to hop; None: a silent hop."""
    hops = [
        PathHop(hop=number)
        if address is None
        else PathHop(hop=number, rtt_ms=10.0 * number, ip_address=address)
        for number, address in enumerate(addresses, 1)
    ]
    return Trace(agent_id=agent, network_id=network, loss_percent=loss, hops=hops)


def told(graph: PathGraph) -> list[tuple[int, str, int]]:
    """Layer, name and sessions of each node."""
    return [(node.layer, node.name, node.sessions) for node in graph.nodes]


def test_one_router_is_one_node() -> None:
    """Paths meet where they go through the same public address; its sessions, agents, RTT and loss add up."""
    graph = draw_graph(
        [
            trace("203.0.113.1", "192.0.2.10", agent="a", loss=0.0),
            trace("203.0.113.2", "192.0.2.10", agent="b", loss=12.0),
        ]
    )
    assert told(graph) == [
        (0, "2 agents", 2),
        (1, "203.0.113.1", 1),
        (1, "203.0.113.2", 1),
        (2, "192.0.2.10", 2),
    ]
    end = graph.nodes[-1]
    assert (end.agents, end.rtt_ms, end.loss_percent, end.level) == (2, 20.0, 6.0, "bad")
    assert sorted(edge.sessions for edge in graph.edges) == [1, 1, 1, 1]
    assert {edge.added_ms for edge in graph.edges} == {10.0}


def test_a_private_address_is_one_router_within_one_network() -> None:
    """Two homes with 192.168.1.1 have two gateways; two agents of one home have one."""
    graph = draw_graph(
        [
            trace("192.168.1.1", "192.0.2.10", agent="a", network="one"),
            trace("192.168.1.1", "192.0.2.10", agent="b", network="one"),
            trace("192.168.1.1", "192.0.2.10", agent="c", network="two"),
        ]
    )
    assert [(node.name, node.sessions) for node in graph.nodes if node.layer == 1] == [
        ("192.168.1.1", 2),
        ("192.168.1.1", 1),
    ]


def test_silent_hops_are_one_between_the_same_neighbours() -> None:
    """A run of them is one node, shared by paths that come from and go to the same routers."""
    graph = draw_graph(
        [
            trace("203.0.113.1", None, None, "192.0.2.10"),
            trace("203.0.113.1", None, None, "192.0.2.10"),
            trace("203.0.113.2", None, None, "192.0.2.10"),
        ]
    )
    silent = [(node.layer, node.sessions) for node in graph.nodes if node.kind == "silent"]
    assert silent == [(2, 2), (2, 1)]


def test_delay_across_silent_hops_counts_behind_them() -> None:
    """The link to a silent hop has no delay; that to the next router has all since the last one."""
    graph = draw_graph([trace("203.0.113.1", None, None, "192.0.2.10")])
    assert {edge.title: edge.added_ms for edge in graph.edges} == {
        "1 agent to 203.0.113.1: 1 session, adds 10.0 ms": 10.0,
        "203.0.113.1 to silent: 1 session, delay not known": None,
        "silent to 192.0.2.10: 1 session, adds 30.0 ms": 30.0,
    }


def test_a_crowded_layer_is_cut() -> None:
    """The busiest routers are shown, and the rest as one node that says how many it stands for."""
    ways = [trace(f"203.0.113.{number}", "192.0.2.10", agent=f"{number}") for number in range(20)]
    graph = draw_graph([*ways, ways[19]])
    layer = [node for node in graph.nodes if node.layer == 1]
    assert len(layer) == MAX_IN_LAYER
    assert any(node.name == "203.0.113.19" and node.sessions == 2 for node in layer)
    (others,) = [node for node in layer if node.kind == "others"]
    assert (others.name, others.sessions) == ("11 more", 11)


def test_places_are_inside_of_the_drawing() -> None:
    """Every node lies inside, and no two at the same place."""
    graph = draw_graph([trace("203.0.113.1", None, "198.51.100.1", "192.0.2.10"), trace("203.0.113.2")])
    assert all(0 < node.x < graph.width and 0 < node.y < graph.height for node in graph.nodes)
    assert len({(node.x, node.y) for node in graph.nodes}) == len(graph.nodes)


def test_a_slow_router_does_not_make_time_run_back() -> None:
    """Where the next hop answers sooner, the link adds nothing."""
    hops = [
        PathHop(hop=1, rtt_ms=50.0, ip_address="203.0.113.1"),
        PathHop(hop=2, rtt_ms=5.0, ip_address="192.0.2.1"),
    ]
    graph = draw_graph([Trace(agent_id="a", network_id="", loss_percent=None, hops=hops)])
    assert sorted(edge.added_ms or 0.0 for edge in graph.edges) == [0.0, 50.0]
    assert [node.level for node in graph.nodes] == ["unknown"] * 3


def test_levels_begin_at_their_limits() -> None:
    """Below the first it is good; what was not measured is not good but unknown."""
    assert [level_of(value, (1.0, 5.0)) for value in (0.9, 1.0, 5.0, None)] == [
        "good",
        "degraded",
        "bad",
        "unknown",
    ]
