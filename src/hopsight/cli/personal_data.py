"""Finds, writes out and erases what accounts and store hold of one person, on the files of a server."""

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import msgspec
from msgspec import Struct

from hopsight import __version__
from hopsight.accounts.accounts import Accounts
from hopsight.accounts.personal_data import KnownAgent, Receipt
from hopsight.accounts.personal_rows import Subject
from hopsight.cli.admin_options import open_accounts
from hopsight.clock import Clock, SystemClock
from hopsight.errors import (
    ConfigError,
    ConflictError,
    HopsightError,
    InvalidValueError,
    NotFoundError,
    StoreUnavailableError,
)
from hopsight.model.kinds import KINDS
from hopsight.model.query import Record
from hopsight.model.times import format_utc
from hopsight.storage import ACCEPTED, open_store, store_file
from hopsight.storage.store import Erased, Store

MAX_AGENTS: Final = 200
"""More agents than one person has: a name as ``admin``, that stands for nobody."""

T = TypeVar("T")


class Place(Struct, frozen=True, kw_only=True):
    """The accounts and the store of a server."""

    accounts: Accounts
    data: Path
    store_url: str
    clock: Clock


class Person(Struct, frozen=True, kw_only=True):
    """Who is meant, and how to say so to the operator, line by line."""

    subject: Subject
    described: tuple[str, ...]


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of each table.

    Args:
        tables: of accounts and store; ``left`` None: nothing was erased yet.
        sentence: the same in words.
        swept: whether the bytes are gone from the files; None: nothing was erased.
        digests: what the log keeps instead of the names.
        salt: goes with the digest of a user's address, and is kept nowhere else.
    """

    tables: tuple["Counted", ...]
    sentence: str
    swept: bool | None = None
    digests: tuple[str, ...] = ()
    salt: str | None = None

    @property
    def left(self) -> int:
        """Rows that are left."""
        return sum(each.left or 0 for each in self.tables)


class Counted(Struct, frozen=True, kw_only=True):
    """Rows of one table, before and after."""

    table: str
    found: int
    left: int | None = None


@contextmanager
def opened(data: Path, store_url: str, accounts_url: str | None) -> Iterator[Place]:
    """The files of a server, which may be running.

    Raises:
        ConfigError: they are not there: what is looked for elsewhere would count as erased.
    """
    file = store_file(store_url, data)
    if store_url.startswith("memory:"):
        raise ConfigError("store", store_url, f"{ACCEPTED}; but what a server has in memory: ends with it")
    if file is not None and not file.exists():
        raise ConfigError("store", file, "the file of a server that has run: --data or --store as for it")
    with open_accounts(data, accounts_url) as accounts:
        yield Place(accounts=accounts, data=data, store_url=store_url, clock=SystemClock())


def person(at: Place, agent_id: str | None, user: str | None, *, include_shared: bool) -> Person:
    """Who is meant.

    Raises:
        InvalidValueError: not exactly one of the two was given, or the agent ID is none, or the name stands
            for many.
        NotFoundError: there is nothing of them.
        ConflictError: there are other people on their machines.
    """
    if (agent_id is None) == (user is None):
        raise InvalidValueError("options", "both or neither", "one of --agent AGENTID and --user NAME")
    if agent_id is not None:
        return _agent(agent_id)
    assert user is not None  # noqa: S101 - one of the two is there
    agents = at.accounts.personal_data.agents_of(user)
    _refuse_crowds(user, agents, include_shared=include_shared)
    account = at.accounts.personal_data.user_of(user)
    known = any(at.accounts.personal_data.count(account).values())
    if not agents and not known:
        raise NotFoundError(f"No agent reports a user {user!r}, and no user of this server has that address")
    subject = Subject(
        agent_ids=tuple(agent.agent_id for agent in agents),
        email=account.email if known else None,
        uids=account.uids if known else frozenset(),
    )
    described = [f"agent {agent.agent_id} ({agent.agent_name})" for agent in agents]
    return Person(
        subject=subject,
        described=(*described, f"user {subject.email} of this server") if known else tuple(described),
    )


def _agent(agent_id: str) -> Person:
    try:
        agent_id = str(uuid.UUID(agent_id))
    except ValueError:
        raise InvalidValueError(
            "--agent", agent_id, "the UUID of an agent: hopsight admin agent list"
        ) from None
    return Person(subject=Subject(agent_ids=(agent_id,)), described=(f"agent {agent_id}",))


def _refuse_crowds(user: str, agents: list[KnownAgent], *, include_shared: bool) -> None:
    if len(agents) > MAX_AGENTS:
        raise InvalidValueError(
            "--user", user, f"a name that at most {MAX_AGENTS} agents report; --agent otherwise"
        )
    shared = [agent for agent in agents if set(agent.user_names) != {user}]
    if shared and not include_shared:
        listed = "; ".join(
            f"{agent.agent_id} ({agent.agent_name}, with {', '.join(sorted({*agent.user_names} - {user}))})"
            for agent in shared
        )
        raise ConflictError(
            "Other people use the same machines, and records do not tell whose they are; give"
            f" --include-shared to take all of them, or go agent by agent with --agent: {listed}"
        )


def count(at: Place, found: Person) -> Outcome:
    """What there is.

    Raises:
        NotFoundError: nothing.
    """
    tables = _sorted(_run(lambda: _count(at, found.subject)))
    _require_some(found, sum(tables.values()))
    return Outcome(
        tables=tuple(Counted(table=table, found=number) for table, number in tables.items()),
        sentence=f"{sum(tables.values())} row(s) would be erased.",
    )


def erase(at: Place, found: Person) -> Outcome:
    """Erase all of it, see to the files, count again.

    Raises:
        NotFoundError: there was nothing (but the files were swept of what was deleted before).
        StoreUnavailableError: it did not come to its end; says how to go on.
    """
    subject, personal = found.subject, at.accounts.personal_data
    try:
        before = _run(lambda: _count(at, subject))
        # The store first: from then on it takes nothing of the agents, and when this is broken off here, the
        # accounts still know which agents they are.
        of_store = {each.table: each for each in _run(lambda: _erase_records(at, subject))}
        receipt = personal.erase(subject) if any(before.values()) else Receipt()
        swept = personal.sweep()
        after = _run(lambda: _count(at, subject))
    except StoreUnavailableError as error:
        again = "; ".join(f"hopsight admin erase --agent {agent_id}" for agent_id in subject.agent_ids)
        again = again or "the same; bytes that are left go with the next erasing of whomever"
        raise StoreUnavailableError(
            f"Erasing did not come to its end: {error}. Go on with: {again}"
        ) from error
    _require_some(found, sum(before.values()))
    tables = []
    for table, number in _sorted(before).items():
        erased = of_store.get(table, Erased(table=table, found=number, left=0))
        tables.append(
            Counted(table=table, found=max(number, erased.found), left=max(after[table], erased.left))
        )
    return Outcome(
        tables=tuple(tables),
        sentence=_sentence(sum(each.left or 0 for each in tables), swept=swept),
        swept=swept,
        digests=receipt.digests,
        salt=receipt.salt,
    )


def _sentence(left: int, *, swept: bool) -> str:
    if left:
        return f"{left} row(s) are left."
    if not swept:
        return (
            "Nothing is left in any table. The accounts database is not SQLite: vacuum it by its own means."
        )
    return "Nothing is left in any table, nor in the bytes of the database files."


def _require_some(found: Person, rows: int) -> None:
    if not rows:
        raise NotFoundError(f"There is nothing here of {', '.join(found.described)}")


async def _count(at: Place, subject: Subject) -> dict[str, int]:
    counts = {f"accounts.{table}": rows for table, rows in at.accounts.personal_data.count(subject).items()}
    async with _store(at) as store:
        for table in await store.count_of(""):
            counts[table] = 0
        for agent_id in subject.agent_ids:
            for table, rows in (await store.count_of(agent_id)).items():
                counts[table] += rows
    return counts


async def _erase_records(at: Place, subject: Subject) -> list[Erased]:
    total: dict[str, Erased] = {}
    async with _store(at) as store:
        for agent_id in subject.agent_ids:
            for each in await store.erase(agent_id):
                known = total.get(each.table, Erased(table=each.table, found=0, left=0))
                total[each.table] = Erased(
                    table=each.table, found=known.found + each.found, left=known.left + each.left
                )
        if subject.agent_ids:
            await store.sweep()
    return list(total.values())


def export(at: Place, found: Person, output: Path | None) -> int:
    """Write everything as JSON lines; how many rows.

    Raises:
        NotFoundError: there is nothing.
        ConflictError: the file is there already.
    """
    _require_some(found, sum(_run(lambda: _count(at, found.subject)).values()))
    with _target(output) as stream:
        rows = _run(lambda: _write(at, found, stream))
    at.accounts.personal_data.note_export(found.subject)
    return rows


@contextmanager
def _target(output: Path | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        handle = os.open(output, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise ConflictError(f"{output} is there already") from None
    except OSError as error:
        raise ConfigError("--output", output, f"a file that can be made ({error.strerror})") from None
    with ExitStack() as unless_done:
        # Half an export looks like a whole one.
        unless_done.callback(output.unlink, missing_ok=True)
        with os.fdopen(handle, "wb") as stream:
            yield stream
        unless_done.pop_all()


async def _write(at: Place, found: Person, stream: BinaryIO) -> int:
    subject = found.subject
    head = {
        "hopsight": __version__,
        "exported": format_utc(at.clock.now()),
        "agentIds": subject.agent_ids,
        "user": subject.email,
    }
    rows = 0

    def write(line: object) -> None:
        stream.write(msgspec.json.encode(line) + b"\n")

    try:
        write(head)
        for table, row in at.accounts.personal_data.export(subject):
            write({"table": f"accounts.{table}", "row": row})
            rows += 1
        async with _store(at) as store:
            for agent_id in subject.agent_ids:
                async for kind, record in store.records_of(agent_id):
                    write(_line(kind, record))
                    rows += 1
        write({"end": True, "rows": rows})
    except OSError as error:
        raise HopsightError(f"Cannot write the export: {error.strerror}") from None
    return rows


def _line(kind: str, record: Record) -> dict[str, object]:
    known = msgspec.structs.asdict(record.dimensions)
    return {
        "table": KINDS[kind].table,
        "aid": record.aid,
        "roundId": record.round_id,
        "id": record.record_id,
        "dimensions": {name: value for name, value in known.items() if value is not None},
        "document": msgspec.Raw(record.body),
        "detail": None if record.detail is None else msgspec.Raw(record.detail),
    }


@asynccontextmanager
async def _store(at: Place) -> AsyncIterator[Store]:
    store = open_store(at.store_url, at.data, at.clock)
    try:
        yield store
    finally:
        await store.close()


def _run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return asyncio.run(work())


def _sorted(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))
