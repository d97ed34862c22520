"""What is known of networks, and what it costs to know it."""

import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from hopsight.model.dimensions import NETWORK_PROBES, Dimensions
from hopsight.model.network_documents import NetworkProfileDocument
from hopsight.model.query import PageOf, Query, Record
from hopsight.server.networks import LOOKED_BACK_S, REVISIT_S, Network, Networks
from hopsight.storage import open_store
from hopsight.storage.store import Store
from hopsight.testing import AGENT_ID, ROUND_ID, FakeClock, sample_network_probe_record

pytestmark = pytest.mark.anyio

AID = 7625
ROUND = ROUND_ID - ROUND_ID % 300
RANGE = "178.216.56.0-178.216.63.255"


class Counting:
    """A store in front of another, that writes down what it is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls: list[str] = []

    async def page(self, query: Query) -> PageOf:
        """Answer a question."""
        self.calls.append("page")
        return await self._store.page(query)

    async def last_round(self, kind: str, aid: int) -> int | None:
        """The newest round."""
        self.calls.append("last_round")
        return await self._store.last_round(kind, aid)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


class World:
    """Networks on a real store, and time."""

    def __init__(self, store: Store) -> None:
        self.store = Counting(store)
        self.clock = FakeClock()
        self.networks = Networks(cast(Store, self.store), self.clock)

    async def probed(self, network_id: str, round_id: int = ROUND, **profile: Any) -> None:
        """An agent has probed the gateway there."""
        made = sample_network_probe_record(random.Random(1), network_id=network_id, round_id=round_id)
        detail = msgspec.structs.replace(
            made.detail, network_profile=NetworkProfileDocument(**profile) if profile else None
        )
        record = Record(
            aid=AID,
            round_id=round_id,
            record_id=made.document.network_probe_id,
            dimensions=Dimensions(agent_id=AGENT_ID, network_id=network_id),
            loss_percent=None,
            latency_ms=None,
            jitter_ms=None,
            body=msgspec.json.encode(made.document),
            detail=msgspec.json.encode(detail),
        )
        await self.store._store.add(NETWORK_PROBES, [record])

    async def asked(self, network_ids: Sequence[str]) -> tuple[list[Network], list[str]]:
        """What is known of them, and what the store was asked for it."""
        self.store.calls.clear()
        found = await self.networks.described(AID, network_ids)
        return found, list(self.store.calls)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Networks on a new SQLite store."""
    store = open_store("sqlite", tmp_path, FakeClock())
    yield World(store)
    await store.close()


def ids(count: int) -> list[str]:
    """So many IDs of networks, in order."""
    return [f"{number:012x}" for number in range(count)]


async def test_the_newest_round_is_asked_once_and_what_is_known_never_again(world: World) -> None:
    """However many networks are new; a network of which all is known costs nothing from then on."""
    for number, network_id in enumerate(ids(5)):
        await world.probed(network_id, local_prefix=f"10.0.{number}.0", public_ip_range=RANGE)
    found, calls = await world.asked(ids(5))
    assert [network.name for network in found] == [f"10.0.{n}.0 (in 178.216.56.0/21)" for n in range(5)]
    assert calls.count("last_round") == 1
    world.clock.advance(10 * REVISIT_S)
    assert await world.asked(ids(5)) == (found, [])


@pytest.mark.parametrize(
    "profile",
    [
        {},
        {"interface_name": "eth0"},
        {"local_prefix": "10.5.51.0", "public_ip_address": "178.216.56.9"},
        {"public_ip_range": RANGE},
    ],
)
async def test_a_network_of_which_something_is_missing_is_read_again_after_a_while(
    world: World, profile: dict[str, str]
) -> None:
    """Not with every question; and what an agent learns later is shown, though older records lack it."""
    (network_id,) = ids(1)
    for back_s in (20 * 86_400, 3_600, 600, 300, 0):
        await world.probed(network_id, ROUND - back_s, **profile)
    first, calls = await world.asked([network_id])
    assert calls
    world.clock.advance(REVISIT_S - 1)
    assert await world.asked([network_id]) == (first, [])
    await world.probed(network_id, ROUND + 900, local_prefix="10.5.51.0", public_ip_range=RANGE)
    world.clock.advance(1)
    (found,), _ = await world.asked([network_id])
    assert (found.name, found.public_ip_range) == ("10.5.51.0 (in 178.216.56.0/21)", RANGE)


async def test_a_lone_address_is_no_range(world: World) -> None:
    """A network whose range nobody knows is named by its prefix alone."""
    await world.probed(ids(1)[0], local_prefix="10.5.51.0", public_ip_address="178.216.56.9")
    (found,), _ = await world.asked(ids(1))
    assert (found.name, found.public_ip_range) == ("10.5.51.0", None)


async def test_a_network_that_nobody_was_on_lately_is_still_described(world: World) -> None:
    """By its last records within 30 days; an unknown one by its ID."""
    quiet, busy, unknown = ids(3)
    await world.probed(quiet, ROUND - LOOKED_BACK_S, local_prefix="10.1.0.0")
    await world.probed(busy, ROUND, local_prefix="10.2.0.0")
    found, _ = await world.asked([quiet, busy, unknown])
    assert [network.name for network in found] == ["10.1.0.0", "10.2.0.0", unknown]
    assert await world.networks.ids(AID) == [quiet, busy]
