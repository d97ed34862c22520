"""Durable ingest over HTTP: ours, and an ordinary server given the same records.

Both servers on one core, the client on the other, in turn: batches of 500 records, 32 uploads in flight,
every acknowledged record synced to disk. Ours is loaded as agents load it (zstd), and once more with the
plain JSON that the ordinary server takes. The ordinary one inserts through the ORM's unit of work; what it
does with one bulk statement instead is shown beside it, without a target.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice

from benchmarks import stores
from benchmarks.loads import Upload, send_all
from benchmarks.make_sessions import AgentBatch, batches
from benchmarks.options import run_alone
from benchmarks.report import Result, Series, Target, progress, ratio
from benchmarks.servers import hopsight_server, make_account, need, ordinary_server

from hopsight.model.upload import BATCH_RECORDS

OURS_A_SECOND = 50
ORDINARY_A_SECOND = 5
"""Batches that keep a server busy for about a second."""
RATE_TARGET = 20_000.0
ORDINARY_TARGET = 8.0
CONNECTIONS = 32
"""A fleet is many agents; and so uploads come many at a time, to both servers."""

_Side = tuple[str, int, Callable[[Sequence[AgentBatch]], list[Upload]]]
"""Where to send, how many batches a round, how they are encoded."""


def bench(arguments: argparse.Namespace) -> Result:
    """Run it."""
    need("taskset")
    with ExitStack() as stack:
        account = make_account(arguments.workspace / "ingest")
        ours = stack.enter_context(hopsight_server(account.data, arguments.core))
        ordinary = stack.enter_context(
            ordinary_server(arguments.workspace / "ordinary-ingest", arguments.core)
        )
        count = round(arguments.seconds * OURS_A_SECOND)
        few = max(1, round(arguments.seconds * ORDINARY_A_SECOND))
        enrolled = stores.enrol_fleet(
            ours,
            account,
            agents=arguments.agents,
            records=(arguments.rounds + 1) * 2 * (count + few) * BATCH_RECORDS,
            seed=arguments.seed,
        )
        sides: dict[str, _Side] = {
            "hopsight, zstd": (
                ours.url + stores.UPLOAD_PATH,
                count,
                lambda made: stores.compressed_uploads(enrolled, made),
            ),
            "hopsight, plain": (
                ours.url + stores.UPLOAD_PATH,
                count,
                lambda made: stores.plain_uploads(enrolled, made),
            ),
            "ordinary": (ordinary.url + stores.ORDINARY_PATH, few, stores.ordinary_uploads),
            "ordinary, bulk": (ordinary.url + stores.ORDINARY_BULK_PATH, few, stores.ordinary_uploads),
        }
        return _result(_interleave(sides, batches(enrolled.fleet), arguments.rounds))


def _interleave(sides: dict[str, _Side], source: Iterator[AgentBatch], rounds: int) -> dict[str, Series]:
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, (url, count, encode) in sides.items():
            uploads = encode(list(islice(source, count)))
            seconds = send_all(url, uploads, CONNECTIONS)
            rates[name].append(sum(upload.records for upload in uploads) / seconds)
        progress(f"round {number + 1}: " + ", ".join(f"{name} {rs[-1]:,.0f}/s" for name, rs in rates.items()))
    return {name: Series(name=name, unit="sessions/s", values=values) for name, values in rates.items()}


def _result(rates: dict[str, Series]) -> Result:
    compressed = rates["hopsight, zstd"]
    plain = rates["hopsight, plain"]
    over_ordinary = ratio(compressed, rates["ordinary"])
    plain_over_ordinary = ratio(plain, rates["ordinary"])
    over_bulk = ratio(compressed, rates["ordinary, bulk"])
    return Result(
        bench="durable ingest over HTTP, batches of 500, 32 in flight",
        series=[*rates.values(), over_ordinary, plain_over_ordinary, over_bulk],
        targets=[
            Target(
                name="sessions a second on one core",
                value=compressed.median,
                bound=RATE_TARGET,
                unit="/s",
                at_least=True,
            ),
            Target(
                name="times the ordinary server",
                value=over_ordinary.median,
                bound=ORDINARY_TARGET,
                at_least=True,
            ),
            Target(
                name="times the ordinary server, both taking plain JSON",
                value=plain_over_ordinary.median,
                bound=ORDINARY_TARGET,
                at_least=True,
            ),
        ],
    )


if __name__ == "__main__":
    run_alone(bench, __doc__)
