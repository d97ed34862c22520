"""A page of 1,000 over HTTP: ours, an ordinary server, and nginx serving the same bytes from a file.

All three on one core, wrk on the other, in turn. Ours and the ordinary one check a token and read SQLite for
every request; nginx does neither: it is the ceiling.
"""

import argparse
from contextlib import ExitStack
from itertools import islice

from benchmarks import stores
from benchmarks.loads import Client, PageLoad, send_all, wrk
from benchmarks.make_sessions import batches
from benchmarks.options import run_alone
from benchmarks.report import Result, Series, Target, progress, ratio
from benchmarks.servers import (
    TOKEN,
    hopsight_server,
    make_account,
    need,
    nginx_server,
    ordinary_server,
)

BATCHES = 40
AGENTS = 20
RECORDS_A_DAY = 288_000
ORDINARY_TARGET = 15.0
NGINX_TARGET = 0.15


def bench(arguments: argparse.Namespace) -> Result:
    """Run it."""
    need("wrk", "nginx", "taskset")
    with ExitStack() as stack:
        account = make_account(arguments.workspace / "page")
        ours = stack.enter_context(hopsight_server(account.data, arguments.core))
        ordinary = stack.enter_context(ordinary_server(arguments.workspace / "ordinary-page", arguments.core))
        enrolled = stores.enrol_fleet(
            ours, account, agents=AGENTS, records=RECORDS_A_DAY, seed=arguments.seed
        )
        made = list(islice(batches(enrolled.fleet), BATCHES))
        send_all(ours.url + stores.UPLOAD_PATH, stores.compressed_uploads(enrolled, made))
        send_all(ordinary.url + stores.ORDINARY_PATH, stores.ordinary_uploads(made))
        asked = stores.time_range(enrolled.fleet.first_round, enrolled.fleet.last_round)
        page = Client(ours.url, f"Bearer {account.token}").get(f"{stores.SESSIONS_PATH}?{asked}")
        nginx = stack.enter_context(nginx_server({"page.json": page}, arguments.core))
        sides: dict[str, tuple[str, str | None]] = {
            "hopsight": (f"{ours.url}{stores.SESSIONS_PATH}?{asked}", account.token),
            "ordinary": (f"{ordinary.url}{stores.ORDINARY_PATH}?{asked}", TOKEN),
            "nginx": (f"{nginx.url}/page.json", None),
        }
        loads = _interleave(sides, arguments.rounds, arguments.seconds)
    return _result(loads, len(page))


def _interleave(
    sides: dict[str, tuple[str, str | None]], rounds: int, seconds: float
) -> dict[str, list[PageLoad]]:
    for url, token in sides.values():
        wrk(url, token, 1)
    loads: dict[str, list[PageLoad]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, (url, token) in sides.items():
            loads[name].append(wrk(url, token, seconds))
        progress(f"round {number + 1}: " + ", ".join(f"{n} {ls[-1].per_s:.1f}/s" for n, ls in loads.items()))
    return loads


def _result(loads: dict[str, list[PageLoad]], page_bytes: int) -> Result:
    pages = {
        name: Series(name=name, unit="pages/s", values=[load.per_s for load in side])
        for name, side in loads.items()
    }
    over_ordinary = ratio(pages["hopsight"], pages["ordinary"])
    of_nginx = ratio(pages["hopsight"], pages["nginx"])
    waits = [
        Series(name=f"{name} {label}", unit="ms", values=values)
        for name, side in loads.items()
        for label, values in (
            ("p50", [load.p50_us / 1000 for load in side]),
            ("p99", [load.p99_us / 1000 for load in side]),
        )
    ]
    return Result(
        bench="page of 1,000 over HTTP, 8 connections",
        series=[*pages.values(), *waits, over_ordinary, of_nginx],
        targets=[
            Target(
                name="times the ordinary server",
                value=over_ordinary.median,
                bound=ORDINARY_TARGET,
                at_least=True,
            ),
            Target(name="share of nginx", value=of_nginx.median, bound=NGINX_TARGET, at_least=True),
        ],
        notes=[f"page: {page_bytes:,} bytes"],
    )


if __name__ == "__main__":
    run_alone(bench, __doc__)
