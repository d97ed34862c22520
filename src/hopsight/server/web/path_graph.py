"""The paths of many sessions to one site as one graph, in layers by hop number. Pure.

A router is one node, however many paths go through it; a private address is one only within one network:
every home has its 192.168.1.1. Silent hops are one node where they lie between the same neighbours.
"""

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median
from typing import Final

from msgspec import Struct

from hopsight.model.network_documents import PathHop
from hopsight.server.web.path_drawing import rtt_of, shortened

MAX_IN_LAYER: Final = 10
LAYER_WIDTH: Final = 170
ROW_HEIGHT: Final = 56
MARGIN: Final = 30
LOSS_LIMITS: Final = (1.0, 5.0)
"""Percent: from the first a node is degraded, from the second bad."""
DELAY_LIMITS: Final = (20.0, 100.0)
"""Milliseconds that a link adds, likewise."""
LEVELS: Final = ("good", "degraded", "bad")

_START: Final = "start"
_PRIVATE: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16",
            "fc00::/7", "fe80::/10",
        ),
    )
)  # fmt: skip

Key = tuple[str, ...]


class Trace(Struct, frozen=True, kw_only=True):
    """One session's path.

    Args:
        agent_id: who traced.
        network_id: from where; empty: not known, then private addresses are the agent's own.
        loss_percent: of the session's probes; None: not measured.
        hops: as they were found.
    """

    agent_id: str
    network_id: str
    loss_percent: float | None
    hops: Sequence[PathHop]


class Node(Struct, frozen=True, kw_only=True):
    """A router, silent hops, the agents, or the rest of a layer.

    Args:
        kind: ``start``, ``router``, ``silent`` or ``others``.
        label: as much of the name as fits; ``name`` is all of it.
        address: empty where there is none.
        asn: ``AS64500`` or empty.
        layer: hop number at which it mostly is; 0: the agents.
        sessions: that went through it.
        agents: that did.
        rtt_ms: median; None: not timed.
        loss_percent: mean of those sessions' losses, which may arise elsewhere on their ways.
        level: one of ``LEVELS`` by loss.
    """

    kind: str
    label: str
    name: str
    address: str
    asn: str
    layer: int
    x: int
    y: int
    radius: float
    sessions: int
    agents: int
    rtt_ms: float | None
    loss_percent: float | None
    level: str


class Edge(Struct, frozen=True, kw_only=True):
    """From one node to the next: a curve; thickness is the sessions, colour the delay that it adds."""

    path: str
    before: Node
    after: Node
    width: float
    sessions: int
    added_ms: float | None
    level: str
    title: str


class PathGraph(Struct, frozen=True, kw_only=True):
    """The graph, drawn; nodes in order of layer, then of sessions."""

    width: int
    height: int
    nodes: list[Node]
    edges: list[Edge]
    traces: int
    agents: int


class _Found(Struct):
    """What is gathered of a node."""

    layers: Counter[int]
    traces: set[int]
    rtts_ms: list[float]
    hop: PathHop | None = None


def draw_graph(traces: Sequence[Trace]) -> PathGraph:
    """Merge paths, lay the nodes out in layers, and draw them."""
    walks = [_walk(trace) for trace in traces]
    found = _gather(walks)
    layers = {key: _layer(each) for key, each in found.items()}
    shown = _crowded_merged(found, layers)
    nodes = _place(_merged(found, shown), traces)
    return PathGraph(
        width=2 * MARGIN + LAYER_WIDTH * (1 + max((node.layer for node in nodes.values()), default=0)),
        height=2 * MARGIN
        + ROW_HEIGHT * max(Counter(node.layer for node in nodes.values()).values(), default=1),
        nodes=sorted(nodes.values(), key=lambda node: (node.layer, -node.sessions, node.name)),
        edges=_edges(walks, shown, nodes),
        traces=len(traces),
        agents=len({trace.agent_id for trace in traces}),
    )


def level_of(value: float | None, limits: tuple[float, float]) -> str:
    """``good``, ``degraded`` or ``bad``; what was not measured is ``unknown``."""
    if value is None:
        return "unknown"
    return LEVELS[sum(value >= limit for limit in limits)]


def _walk(trace: Trace) -> list[tuple[Key, int, PathHop | None]]:
    """A path as keys of nodes, with hop numbers; a hop that comes twice in a row is one."""
    keys = [_key(hop, trace) for hop in trace.hops]
    steps: list[tuple[Key, int, PathHop | None]] = [((_START,), 0, None)]
    for index, (key, hop) in enumerate(zip(keys, trace.hops, strict=True)):
        named = _silent(keys, index) if key is None else key
        if named != steps[-1][0]:
            steps.append((named, hop.hop, hop))
    return steps


def _key(hop: PathHop, trace: Trace) -> Key | None:
    address = hop.ip_address
    if address is None:
        return None
    if _is_private(address):
        return ("router", address, trace.network_id or trace.agent_id)
    return ("router", address)


def _silent(keys: Sequence[Key | None], index: int) -> Key:
    """A run of silent hops is one node for all paths that have it between the same neighbours."""
    before = next((key for key in reversed(keys[:index]) if key is not None), (_START,))
    after = next((key for key in keys[index + 1 :] if key is not None), ("end",))
    return ("silent", *before, ">", *after)


def _is_private(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in _PRIVATE)


def _gather(walks: Sequence[Sequence[tuple[Key, int, PathHop | None]]]) -> dict[Key, _Found]:
    found: dict[Key, _Found] = {}
    for number, walk in enumerate(walks):
        for key, layer, hop in walk:
            each = found.setdefault(key, _Found(Counter(), set(), []))
            each.layers[layer] += 1
            each.traces.add(number)
            if hop is not None and hop.ip_address is not None:
                each.hop = hop
                if (rtt_ms := rtt_of(hop)) is not None:
                    each.rtts_ms.append(rtt_ms)
    return found


def _layer(found: _Found) -> int:
    """Where it mostly is; of equally many the nearest."""
    return min(found.layers, key=lambda layer: (-found.layers[layer], layer))


def _crowded_merged(found: dict[Key, _Found], layers: dict[Key, int]) -> dict[Key, Key]:
    """What each node is shown as: itself, or the rest of a layer that has too many."""
    by_layer: defaultdict[int, list[Key]] = defaultdict(list)
    for key in found:
        by_layer[layers[key]].append(key)
    shown: dict[Key, Key] = {}
    for layer, keys in by_layer.items():
        ordered = sorted(keys, key=lambda key: (-len(found[key].traces), key))
        most = len(ordered) if len(ordered) <= MAX_IN_LAYER else MAX_IN_LAYER - 1
        shown |= {key: key if index < most else ("others", str(layer)) for index, key in enumerate(ordered)}
    return shown


def _merged(found: dict[Key, _Found], shown: dict[Key, Key]) -> dict[Key, tuple[_Found, int]]:
    """Nodes as shown, and how many each stands for."""
    merged: dict[Key, tuple[_Found, int]] = {}
    for key, each in found.items():
        into, count = merged.get(shown[key], (_Found(Counter(), set(), []), 0))
        into.layers.update({_layer(each): sum(each.layers.values())})
        into.traces |= each.traces
        into.rtts_ms += each.rtts_ms
        into.hop = each.hop if shown[key] == key else None
        merged[shown[key]] = (into, count + 1)
    return merged


def _place(merged: dict[Key, tuple[_Found, int]], traces: Sequence[Trace]) -> dict[Key, Node]:
    by_layer: defaultdict[int, list[Key]] = defaultdict(list)
    for key, (each, _) in merged.items():
        by_layer[_layer(each)].append(key)
    tallest = max(map(len, by_layer.values()), default=1)
    nodes = {}
    for layer, keys in by_layer.items():
        keys.sort(key=lambda key: (key[0] == "others", -len(merged[key][0].traces), key))
        top = MARGIN + (tallest - len(keys)) * ROW_HEIGHT // 2
        for row, key in enumerate(keys):
            place = (
                MARGIN + layer * LAYER_WIDTH + LAYER_WIDTH // 2,
                top + row * ROW_HEIGHT + ROW_HEIGHT // 3,
            )
            nodes[key] = _node(key, merged[key], layer, place, traces)
    return nodes


def _node(
    key: Key, merged: tuple[_Found, int], layer: int, place: tuple[int, int], traces: Sequence[Trace]
) -> Node:
    found, count = merged
    through = [traces[number] for number in found.traces]
    losses = [trace.loss_percent for trace in through if trace.loss_percent is not None]
    loss = fmean(losses) if losses else None
    agents = len({trace.agent_id for trace in through})
    address, name, asn = "", "", ""
    if key[0] == "router" and found.hop is not None:
        address = found.hop.ip_address or ""
        name = found.hop.name or address
        asn = "" if found.hop.asn is None else f"AS{found.hop.asn}"
    elif key[0] == "others":
        name = f"{count} more"
    else:
        name = "silent" if key[0] == "silent" else f"{agents} agent{'' if agents == 1 else 's'}"
    return Node(
        kind=key[0],
        label=shortened(name),
        name=name,
        address=address,
        asn=asn,
        layer=layer,
        x=place[0],
        y=place[1],
        radius=5 + 6 * (len(through) / max(1, len(traces))) ** 0.5,
        sessions=len(through),
        agents=agents,
        rtt_ms=median(found.rtts_ms) if found.rtts_ms else None,
        loss_percent=loss,
        level=level_of(loss, LOSS_LIMITS),
    )


def _edges(
    walks: Sequence[Sequence[tuple[Key, int, PathHop | None]]], shown: dict[Key, Key], nodes: dict[Key, Node]
) -> list[Edge]:
    sessions: Counter[tuple[Key, Key]] = Counter()
    added: defaultdict[tuple[Key, Key], list[float]] = defaultdict(list)
    for walk in walks:
        pairs = set()
        # Across silent hops the delay counts for the link to the router that answers behind them.
        last_ms = 0.0
        for (before, _, _), (after, _, hop) in pairwise(walk):
            pair = (shown[before], shown[after])
            rtt_ms = None if hop is None else rtt_of(hop)
            if pair[0] != pair[1]:
                pairs.add(pair)
                if rtt_ms is not None:
                    # A router that is slow to answer for itself would make the next link take negative time.
                    added[pair].append(max(0.0, rtt_ms - last_ms))
            last_ms = last_ms if rtt_ms is None else rtt_ms
        sessions.update(pairs)
    most = max(sessions.values(), default=1)
    return [
        _edge(nodes[pair[0]], nodes[pair[1]], count, most, added[pair])
        for pair, count in sorted(sessions.items(), key=lambda each: (each[1], each[0]))
    ]


def _edge(before: Node, after: Node, count: int, most: int, added: Sequence[float]) -> Edge:
    added_ms = median(added) if added else None
    middle = (before.x + after.x) / 2
    delay = "delay not known" if added_ms is None else f"adds {added_ms:.1f} ms"
    return Edge(
        path=f"M{before.x} {before.y}C{middle:.0f} {before.y} {middle:.0f} {after.y} {after.x} {after.y}",
        before=before,
        after=after,
        width=1 + 7 * count / most,
        sessions=count,
        added_ms=added_ms,
        level=level_of(added_ms, DELAY_LIMITS),
        title=f"{before.name} to {after.name}: {count} session{'' if count == 1 else 's'}, {delay}",
    )
