"""What a server process can take from agents, with the records on ClickHouse and in the embedded store.

Three loads, as agents make them: batches of 500 sessions (who was away catches up), what an agent uploads
each minute (a few sessions), and its question every few seconds whether there is anything new to measure. One
core for our server, the other for ClickHouse and whoever uploads. What sizes a fleet is a second of the
server's own CPU time: there ClickHouse has machines of its own.
"""

import argparse
import asyncio
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import islice

import aiohttp
import psutil
from benchmarks import stores
from benchmarks.loads import send_all
from benchmarks.make_sessions import AgentBatch, batches
from benchmarks.options import parser, run_all
from benchmarks.peers.clickhouse import clickhouse_server
from benchmarks.report import Result, Series, progress
from benchmarks.servers import Account, Server, hopsight_server, make_account, need
from msgspec import Struct, structs

from hopsight.clock import SystemClock
from hopsight.model.upload import BATCH_RECORDS
from hopsight.storage.clickhouse.address import parse
from hopsight.storage.clickhouse.management import prepare_tables

IN_FLIGHT = 32
BATCHES = 100
A_MINUTE = 6
"""Sessions that an agent uploads each minute."""
SMALL_IN_FLIGHT = 256
"""They are acknowledged by the next insert, up to a second later: many wait at the same time."""
SMALL = 1_500
QUESTIONS = 3_000


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
        return _result(_interleave(sides, arguments.rounds))


def _side(stack: ExitStack, arguments: argparse.Namespace, name: str, words: tuple[str, ...]) -> _Side:
    account: Account = make_account(arguments.workspace / f"ingest-{name}")
    server = stack.enter_context(hopsight_server(account.data, arguments.core, *words))
    batches_a_round = BATCHES + -(-SMALL * A_MINUTE // BATCH_RECORDS)
    enrolled = stores.enrol_fleet(
        server,
        account,
        agents=arguments.agents,
        records=(arguments.rounds + 2) * batches_a_round * BATCH_RECORDS,
        seed=arguments.seed,
    )
    return _Side(server, enrolled, batches(enrolled.fleet))


def _interleave(sides: dict[str, _Side], rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for name, side in sides.items():
            for what, per_s in _round(side).items():
                # The first round is for connections and for what is imported late.
                if number:
                    found.setdefault(f"{name}: {what}", []).append(per_s)
        progress(", ".join(f"{name} {values[-1]:,.0f}" for name, values in found.items()))
    return found


def _round(side: _Side) -> dict[str, float]:
    """How many of each in a second of the server's CPU."""
    large = stores.compressed_uploads(side.enrolled, list(islice(side.source, BATCHES)))
    small = stores.compressed_uploads(side.enrolled, list(islice(_small(side.source), SMALL)))
    url = side.server.url + stores.UPLOAD_PATH
    stored = sum(upload.records for upload in large)
    return {
        "sessions, 500 in an upload": stored
        / _cpu_s(side.server, partial(send_all, url, large, IN_FLIGHT, patient=True)),
        f"uploads of {A_MINUTE} sessions": SMALL
        / _cpu_s(side.server, partial(send_all, url, small, SMALL_IN_FLIGHT, patient=True)),
        "questions for news": QUESTIONS / _cpu_s(side.server, partial(asyncio.run, _ask(side))),
    }


def _small(source: Iterator[AgentBatch]) -> Iterator[AgentBatch]:
    """The same sessions, as many at a time as an agent has made in a minute."""
    for made in source:
        sessions = made.batch.network_sessions
        for number, begin in enumerate(range(0, len(sessions) - A_MINUTE, A_MINUTE)):
            batch = structs.replace(
                made.batch,
                upload_id=str(uuid.uuid5(uuid.UUID(made.batch.upload_id), str(number))),
                network_sessions=sessions[begin : begin + A_MINUTE],
            )
            yield AgentBatch(made.agent, batch)


async def _ask(side: _Side) -> None:
    """Ask for the configuration as agents do that have it already."""
    url = f"{side.server.url}/agent/v1/configuration"
    tag = ""
    async with aiohttp.ClientSession() as session:
        for number in range(QUESTIONS):
            agent = side.enrolled.agents[number % len(side.enrolled.agents)]
            headers = {"Authorization": agent.authorization, "If-None-Match": tag}
            async with session.get(url, headers=headers) as answer:
                if answer.status != (200 if not number else 304):
                    raise SystemExit(f"{url}: {answer.status}")
                tag = answer.headers["ETag"]


def _cpu_s(server: Server, work: Callable[[], object]) -> float:
    """What some work costs the server."""
    process = psutil.Process(server.pid)
    before = process.cpu_times()
    work()
    after = process.cpu_times()
    return (after.user + after.system) - (before.user + before.system)


def _result(found: dict[str, list[float]]) -> Result:
    result = Result(bench="what agents ask of a server, in a second of its CPU, two stores")
    result.series += [Series(name=name, unit="/s", values=values) for name, values in found.items()]
    return result


def main() -> None:
    """Run it alone."""
    options = parser(__doc__ or "")
    options.set_defaults(clickhouse=None, native_port=None)
    run_all([bench], options.parse_args())


if __name__ == "__main__":
    main()
