"""Page time at the start, middle and end of 24 hours in a large store: it must not depend on the place.

Two ways to come to a place: by following ``next`` from the start of the day, and by asking for a range that
begins there. One connection; the places take turns.
"""

import argparse
import time

from benchmarks import stores
from benchmarks.large_store import LargeStore, large_store
from benchmarks.loads import Client, Walked, walk
from benchmarks.options import run_alone
from benchmarks.report import Result, Series, Target, progress
from benchmarks.servers import hopsight_server, need

from hopsight.model.ids import SESSION_ROUND_S
from hopsight.model.query import PAGE_ITEMS

ASKED_A_ROUND = 40
WARM_UP = 10
FLAT = 1.5


def bench(arguments: argparse.Namespace) -> Result:
    """Run it."""
    need("taskset")
    store = large_store(arguments)
    with hopsight_server(store.account.data, arguments.core) as server:
        client = Client(server.url, f"Bearer {store.account.token}")
        progress("following next through the whole day ...")
        # The last page is short; what is compared is full pages.
        full = [page for page in walk(client, store.whole_day) if page.items == PAGE_ITEMS]
        by_next = _measure(client, _places(full), arguments.rounds)
        by_range = _measure(client, _ranges(store), arguments.rounds)
        client.close()
    return _result(store, {"next": by_next, "from": by_range})


def _places(pages: list[Walked]) -> dict[str, str]:
    last = len(pages) - 1
    return {"start": pages[0].target, "middle": pages[last // 2].target, "end": pages[last].target}


def _ranges(store: LargeStore) -> dict[str, str]:
    rounds = (store.last_round - store.first_round) // SESSION_ROUND_S
    a_page = -(-PAGE_ITEMS * (rounds + 1) // store.records)
    beginnings = {"start": 0, "middle": rounds // 2, "end": rounds - a_page}
    return {
        place: f"{stores.SESSIONS_PATH}?"
        + stores.time_range(store.first_round + skipped * SESSION_ROUND_S, store.last_round)
        for place, skipped in beginnings.items()
    }


def _measure(client: Client, places: dict[str, str], rounds: int) -> dict[str, list[float]]:
    for target in [*places.values()] * WARM_UP:
        client.get(target)
    times: dict[str, list[float]] = {place: [] for place in places}
    for _ in range(rounds * ASKED_A_ROUND):
        for place, target in places.items():
            began = time.perf_counter()
            client.get(target)
            times[place].append((time.perf_counter() - began) * 1000)
    return times


def _result(store: LargeStore, ways: dict[str, dict[str, list[float]]]) -> Result:
    series = [
        Series(name=f"{place}, by {way}", unit="ms", values=values)
        for way, times in ways.items()
        for place, values in times.items()
    ]
    targets = []
    for way in ways:
        medians = [one.median for one in series if one.name.endswith(f"by {way}")]
        name = f"slowest over fastest place, by {way}"
        targets.append(Target(name=name, value=max(medians) / min(medians), bound=FLAT))
    return Result(bench=f"page time by depth, {store.records:,} records", series=series, targets=targets)


if __name__ == "__main__":
    run_alone(bench, __doc__)
