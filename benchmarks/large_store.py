"""The large store: 24 hours of records, uploaded once in each run and shared by the benches of that run."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from benchmarks import stores
from benchmarks.loads import send_all
from benchmarks.make_sessions import batches
from benchmarks.report import progress
from benchmarks.servers import Account, Server, hopsight_server, make_account
from msgspec import Struct


class LargeStore(Struct, frozen=True, kw_only=True):
    """A data directory with 24 hours of records, and how fast they went in."""

    account: Account
    first_round: int
    last_round: int
    records: int
    ingest_s: float

    @property
    def whole_day(self) -> str:
        """Path and query of its first page."""
        return f"{stores.SESSIONS_PATH}?{stores.time_range(self.first_round, self.last_round)}"


@contextmanager
def filled_server(arguments: argparse.Namespace) -> Iterator[tuple[Server, LargeStore]]:
    """A server that has just taken all records over HTTP, still running."""
    account = make_account(arguments.workspace / "large")
    with hopsight_server(account.data, arguments.core) as server:
        store = _fill(server, account, arguments)
        _remember(arguments.workspace, store)
        yield server, store


def large_store(arguments: argparse.Namespace) -> LargeStore:
    """The store that an earlier bench of this run made, or a new one."""
    file = _file(arguments.workspace)
    if not file.exists():
        with filled_server(arguments):
            pass
    return msgspec.json.decode(file.read_bytes(), type=LargeStore, dec_hook=lambda kind, text: kind(text))


def _fill(server: Server, account: Account, arguments: argparse.Namespace) -> LargeStore:
    enrolled = stores.enrol_fleet(
        server, account, agents=arguments.agents, records=arguments.records, seed=arguments.seed
    )
    progress(f"making {arguments.records:,} records ...")
    # Made before the time counts, and kept compressed only: a million records as JSON take 0.8 GB.
    uploads = [stores.compressed_upload(enrolled, made) for made in batches(enrolled.fleet)]
    progress("uploading them ...")
    seconds = send_all(server.url + stores.UPLOAD_PATH, uploads)
    records = sum(upload.records for upload in uploads)
    progress(f"{records:,} in {seconds:.1f} s: {records / seconds:,.0f} a second")
    return LargeStore(
        account=account,
        first_round=enrolled.fleet.first_round,
        last_round=enrolled.fleet.last_round,
        records=records,
        ingest_s=seconds,
    )


def _remember(workspace: Path, store: LargeStore) -> None:
    _file(workspace).write_bytes(msgspec.json.encode(store, enc_hook=str))


def _file(workspace: Path) -> Path:
    return workspace / "large-store.json"
