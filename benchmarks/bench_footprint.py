"""What it costs: time to say ``--help`` and to start on a large store, memory after filling it."""

import argparse
import os
import subprocess
import time

from benchmarks.large_store import LargeStore, filled_server
from benchmarks.loads import Client, walk
from benchmarks.options import MILLION, run_alone
from benchmarks.report import Result, Series, Target, progress
from benchmarks.servers import HOPSIGHT, Memory, Server, hopsight_server, memory_of, need

HELP_RUNS = 15
HELP_TARGET_S = 0.3
START_TARGET_S = 2.0
MEMORY_TARGET_MB = 150.0


def bench(arguments: argparse.Namespace) -> Result:
    """Run it."""
    need("taskset")
    help_s = [_time_help() for _ in range(HELP_RUNS)]
    with filled_server(arguments) as (server, store):
        after_ingest = memory_of(server)
        read_s = _read_all(server, store)
        after_reading = memory_of(server)
    starts = [_time_start(store, arguments.core) for _ in range(arguments.rounds)]
    return _result(store, help_s, starts, read_s, (after_ingest, after_reading))


def _time_help() -> float:
    began = time.perf_counter()
    subprocess.run([HOPSIGHT, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _time_start(store: LargeStore, core: int) -> float:
    with hopsight_server(store.account.data, core) as server:
        return server.start_s


def _read_all(server: Server, store: LargeStore) -> float:
    progress("reading every page ...")
    client = Client(server.url, f"Bearer {store.account.token}")
    began = time.perf_counter()
    items = sum(page.items for page in walk(client, store.whole_day))
    client.close()
    if items != store.records:
        raise SystemExit(f"{items} records read, {store.records} were stored")
    return time.perf_counter() - began


def _result(
    store: LargeStore,
    help_s: list[float],
    starts: list[float],
    read_s: float,
    memories: tuple[Memory, Memory],
) -> Result:
    helped = Series(name="hopsight --help", unit="s", values=help_s)
    started = Series(name="server start", unit="s", values=starts)
    after_ingest, after_reading = memories
    memory = [
        Series(name="resident after ingest", unit="MB", values=[after_ingest.resident_mb]),
        Series(name="resident after every page", unit="MB", values=[after_reading.resident_mb]),
        Series(name="highest resident", unit="MB", values=[after_reading.peak_mb]),
    ]
    rates = [
        Series(name="ingest of all", unit="sessions/s", values=[store.records / store.ingest_s]),
        Series(name="reading of all", unit="sessions/s", values=[store.records / read_s]),
    ]
    size = f"{store.records:,} records"
    return Result(
        bench=f"footprint, {size}",
        series=[helped, started, *memory, *rates],
        targets=[
            Target(name="hopsight --help", value=helped.median, bound=HELP_TARGET_S, unit="s"),
            Target(name=f"start on {size}", value=started.median, bound=START_TARGET_S, unit="s"),
            Target(
                name=f"resident after ingest and every page of {size}",
                value=after_reading.resident_mb,
                bound=MEMORY_TARGET_MB,
                unit="MB",
            ),
        ],
        notes=[
            f"data directory: {_size_mb(store):,.0f} MB (10^6 bytes); start: spawn to first answer",
            *([] if store.records >= MILLION else ["smaller than the 1M records that the targets are for"]),
        ],
    )


def _size_mb(store: LargeStore) -> float:
    return sum(entry.stat().st_size for entry in os.scandir(store.account.data) if entry.is_file()) / 1e6


if __name__ == "__main__":
    run_alone(bench, __doc__)
