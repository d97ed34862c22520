"""Ingest over HTTP with the records on ClickHouse, beside the embedded store: what a server process can take.

One core for our server, the other for ClickHouse and whoever uploads. Batches of 500, as agents send them
(zstd), so many in flight that the pause between two inserts (``merge_ms``, a second) is filled. Sessions a
second of the server's own CPU time are what sizes a fleet: ClickHouse has machines of its own there.
"""

import argparse
import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice

import psutil
from benchmarks import stores
from benchmarks.loads import send_all
from benchmarks.make_sessions import AgentBatch, batches
from benchmarks.options import parser, run_all
from benchmarks.peers.clickhouse import clickhouse_server
from benchmarks.report import Result, Series, progress, ratio
from benchmarks.servers import Account, Server, hopsight_server, make_account, need
from msgspec import Struct

from hopsight.clock import SystemClock
from hopsight.model.upload import BATCH_RECORDS
from hopsight.storage.clickhouse.address import parse
from hopsight.storage.clickhouse.management import prepare_tables

IN_FLIGHT = 64
BATCHES_A_SECOND = 50
"""What keeps a server busy for about a second."""


class _Side(Struct, frozen=True):
    """A server, who uploads to it, and what they have."""

    server: Server
    enrolled: stores.Enrolled
    source: Iterator[AgentBatch]


def bench(arguments: argparse.Namespace) -> Result:
    """Run it."""
    need("taskset", "clickhouse-server")
    with ExitStack() as stack:
        url, _ = stack.enter_context(clickhouse_server(arguments, core=arguments.load_core))
        url = url.replace("merge_ms=0", "merge_ms=1000")
        asyncio.run(prepare_tables(parse(url.partition(":")[2]), SystemClock()))
        sides = {
            name: _side(stack, arguments, name, words)
            for name, words in (("embedded", ()), ("ClickHouse", ("--store", url)))
        }
        return _result(_interleave(sides, arguments))


def _side(stack: ExitStack, arguments: argparse.Namespace, name: str, words: tuple[str, ...]) -> _Side:
    account: Account = make_account(arguments.workspace / f"ingest-{name}")
    server = stack.enter_context(hopsight_server(account.data, arguments.core, *words))
    count = round(arguments.seconds * BATCHES_A_SECOND)
    enrolled = stores.enrol_fleet(
        server,
        account,
        agents=arguments.agents,
        records=(arguments.rounds + 2) * count * BATCH_RECORDS,
        seed=arguments.seed,
    )
    return _Side(server, enrolled, batches(enrolled.fleet))


def _interleave(sides: dict[str, _Side], arguments: argparse.Namespace) -> dict[str, list[float]]:
    count = round(arguments.seconds * BATCHES_A_SECOND)
    found: dict[str, list[float]] = {}
    for number in range(arguments.rounds + 1):
        for name, side in sides.items():
            wall, cpu = _round(side, count)
            # The first one is for connections and for what is imported late.
            if number:
                found.setdefault(f"{name}: sessions a second", []).append(wall)
                found.setdefault(f"{name}: sessions a second of the server's CPU", []).append(cpu)
        progress(", ".join(f"{name} {values[-1]:,.0f}" for name, values in found.items()))
    return found


def _round(side: _Side, count: int) -> tuple[float, float]:
    """Sessions a second: by the clock, and by the server's CPU time."""
    uploads = stores.compressed_uploads(side.enrolled, list(islice(side.source, count)))
    before_s = _cpu_s(side.server)
    took_s = send_all(side.server.url + stores.UPLOAD_PATH, uploads, IN_FLIGHT, patient=True)
    records = sum(upload.records for upload in uploads)
    return records / took_s, records / (_cpu_s(side.server) - before_s)


def _cpu_s(server: Server) -> float:
    times = psutil.Process(server.pid).cpu_times()
    return float(times.user + times.system)


def _result(found: dict[str, list[float]]) -> Result:
    series = {name: Series(name=name, unit="/s", values=values) for name, values in found.items()}
    result = Result(bench=f"ingest over HTTP, batches of 500, {IN_FLIGHT} in flight, two stores")
    embedded, clickhouse = (
        series[f"{name}: sessions a second of the server's CPU"] for name in ("embedded", "ClickHouse")
    )
    result.series += [*series.values(), ratio(clickhouse, embedded)]
    return result


def main() -> None:
    """Run it alone."""
    options = parser(__doc__ or "")
    options.set_defaults(clickhouse=None, native_port=None)
    run_all([bench], options.parse_args())


if __name__ == "__main__":
    main()
