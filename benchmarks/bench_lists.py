"""The lists of the API beside each other: time of a page of each against network sessions', and store calls.

Over a fleet's simulated history: all lists in turn, one server process on one core, wrk on the other. Ratios
are of the server's CPU time: on a machine that does other things, too, it is steadier than the clock.
Afterwards the same store is opened in this process, and what one page asks it is counted.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
from collections.abc import Sequence
from typing import Any

import httpx
import psutil
from benchmarks.lists import LISTS, RANGE, STANDARD, CountedStore, ListRow
from benchmarks.loads import CONNECTIONS, Client, wrk
from benchmarks.options import run_alone
from benchmarks.report import Result, Series, Target, progress, ratio
from benchmarks.servers import HOPSIGHT, NO_RATE_LIMIT, Account, Server, hopsight_server, make_account, need
from msgspec import Struct

from hopsight.accounts.accounts import Accounts
from hopsight.clock import SystemClock
from hopsight.config import ServerConfig
from hopsight.model.connection import format_connection_string
from hopsight.server.app import create_app
from hopsight.storage import open_store

AGENTS = 1_100
"""So many that also the list of agents has a full page."""
HOURS = 1.0
WARM_UP_S = 1.0
SLOWEST = 3.0
"""How many times the page of network sessions any list's page may take."""


class ListLoad(Struct, kw_only=True):
    """What was found of one list: milliseconds a page, and of the server's CPU; one value a round."""

    row: ListRow
    items: int
    size: int
    times_ms: list[float] = []
    cpu_ms: list[float] = []
    calls: list[str] = []


def bench(arguments: argparse.Namespace) -> Result:
    """Run it."""
    need("wrk", "taskset")
    account = make_account(arguments.workspace / "lists")
    with hopsight_server(account.data, arguments.core) as server:
        _simulate(server, account, arguments.seed)
        loads = [_first(server, account, row) for row in LISTS]
        _interleave(server, account, loads, arguments)
    asyncio.run(_count_calls(account, loads))
    return _result(loads)


def _simulate(server: Server, account: Account, seed: int) -> None:
    progress(f"simulating {AGENTS:,} agents over {HOURS:g} h ...")
    command = [HOPSIGHT, "simulate", "--agents", str(AGENTS), "--hours", str(HOURS), "--seed", str(seed)]
    subprocess.run(
        [*command, "--url", server.url, "--json"],
        check=True,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"HOPSIGHT_CONNECTION_STRING": format_connection_string(account.connection)},
    )


def _first(server: Server, account: Account, row: ListRow) -> ListLoad:
    client = Client(server.url, f"Bearer {account.token}")
    page = client.get(row.target) if row.posted is None else client.post(row.target, row.posted.encode())
    client.close()
    found = ListLoad(row=row, items=row.count(page), size=len(page))
    if not found.items:
        raise SystemExit(f"{row.name}: the page has no items: {page[:300]!r}")
    return found


def _interleave(
    server: Server, account: Account, loads: Sequence[ListLoad], arguments: argparse.Namespace
) -> None:
    process = psutil.Process(server.pid)

    def asked(row: ListRow, seconds: float) -> tuple[float, float]:
        before = process.cpu_times()
        found = wrk(server.url + row.target, account.token, seconds, posted=row.posted)
        after = process.cpu_times()
        used_s = after.user + after.system - before.user - before.system
        return 1000 / found.per_s, 1000 * used_s / found.requests

    for load in loads:
        asked(load.row, WARM_UP_S)
    for number in range(arguments.rounds):
        for load in loads:
            time_ms, cpu_ms = asked(load.row, arguments.seconds)
            load.times_ms.append(time_ms)
            load.cpu_ms.append(cpu_ms)
        progress(f"round {number + 1}: " + ", ".join(f"{ll.row.name} {ll.cpu_ms[-1]:.2f} ms" for ll in loads))


async def _count_calls(account: Account, loads: Sequence[ListLoad]) -> None:
    """Ask for the page of each list twice, and for its last round, where it has one."""
    clock = SystemClock()
    config = ServerConfig(data=account.data, rate_limit=NO_RATE_LIMIT)
    accounts = Accounts.open(config.accounts, config.data, clock)
    store = CountedStore(open_store(config.store, config.data, clock))
    for load in loads:
        # One that has just started, for each: what it remembers of one list is no help with another.
        app: Any = create_app(config, store.as_store(), accounts, clock, random.Random(1))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://bench.test",
            headers={"Authorization": f"Bearer {account.token}"},
        ) as client:
            for target in _targets(load.row):
                store.taken()
                answer = await _ask(client, load.row, target)
                if answer.status_code != httpx.codes.OK:
                    raise SystemExit(f"{target}: {answer.status_code} {answer.text[:300]}")
                load.calls.append(_told(store.taken()))
    await store.as_store().close()
    accounts.close()


def _targets(row: ListRow) -> list[str]:
    return [row.target, row.target, row.path] if row.ranged else [row.target, row.target]


async def _ask(client: httpx.AsyncClient, row: ListRow, target: str) -> httpx.Response:
    if row.posted is None:
        return await client.get(target)
    return await client.post(target, json=json.loads(row.posted))


def _told(calls: dict[str, int]) -> str:
    return " + ".join(f"{count} {name}" for name, count in sorted(calls.items())) or "none"


def _result(loads: Sequence[ListLoad]) -> Result:
    standard = next(load for load in loads if load.row is STANDARD)
    pages = [Series(name=load.row.name, unit="ms/page", values=load.times_ms) for load in loads]
    cpu = [Series(name=f"{load.row.name}, CPU", unit="ms/page", values=load.cpu_ms) for load in loads]
    own = cpu[loads.index(standard)]
    ratios = [ratio(series, own) for series in cpu if series is not own]
    return Result(
        bench=f"lists beside each other, {CONNECTIONS} connections",
        series=[*pages, *cpu, *ratios],
        targets=[Target(name=series.name, value=series.median, bound=SLOWEST) for series in ratios],
        notes=[*map(_note, loads), f"simulated: {AGENTS:,} agents, {HOURS:g} h; time range: {RANGE}"],
    )


def _note(load: ListLoad) -> str:
    first, again, *last_round = load.calls
    calls = first if first == again else f"{first} at first, then {again}"
    calls += "".join(f"; of the last round {told}" for told in last_round)
    return f"{load.row.name}: {load.items:,} items, {load.size:,} bytes; store calls: {calls}"


if __name__ == "__main__":
    run_alone(bench, __doc__)
