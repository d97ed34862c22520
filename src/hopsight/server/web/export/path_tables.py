"""Tables of the paths to a site: what the graph shows."""

from typing import Final

from hopsight.errors import InvalidValueError
from hopsight.server.web.export.csv_writing import Table
from hopsight.server.web.path_graph import PathGraph
from hopsight.server.web.paths import chosen_sites, read_graph
from hopsight.server.web.visitor import Visitor


async def graph_of(visitor: Visitor) -> PathGraph | None:
    """The graph of the site that the view is filtered by; None: no session of it has a path.

    Raises:
        InvalidValueError: the view is filtered by no site.
    """
    if not chosen_sites(visitor):
        raise InvalidValueError("visitedSite", "", "a site that the paths lead to")
    return (await read_graph(visitor)).graph


async def _nodes(visitor: Visitor) -> Table:
    graph = await graph_of(visitor)
    return Table(
        columns=(
            "node", "hop", "kind", "name", "address", "asn", "sessions", "agents", "median_rtt_ms",
            "loss_of_sessions_percent",
        ),
        rows=[
            [
                number, node.layer, node.kind, node.name, node.address or None, node.asn or None,
                node.sessions, node.agents, node.rtt_ms, node.loss_percent,
            ]
            for number, node in enumerate(graph.nodes if graph else [], 1)
        ],
    )  # fmt: skip


async def _edges(visitor: Visitor) -> Table:
    graph = await graph_of(visitor)
    # Names come several times, places once.
    numbers = {(node.x, node.y): number for number, node in enumerate(graph.nodes if graph else [], 1)}
    return Table(
        columns=("from_node", "to_node", "from_name", "to_name", "sessions", "median_added_ms"),
        rows=[
            [
                numbers[edge.before.x, edge.before.y],
                numbers[edge.after.x, edge.after.y],
                edge.before.name,
                edge.after.name,
                edge.sessions,
                edge.added_ms,
            ]
            for edge in (graph.edges if graph else [])
        ],
    )


PATHS: Final = {"nodes": _nodes, "edges": _edges}
