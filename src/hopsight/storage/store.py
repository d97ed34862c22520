"""The contract of a store. ``memory.py`` is its readable definition; one suite of tests holds over all."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol

from msgspec import Struct

from hopsight.model.aggregates import Group, GroupOrder, Measurement, Summary
from hopsight.model.query import PageOf, Query, Record

STRETCH_S: Final = 3_600


class Added(Struct, frozen=True):
    """What became of a batch: every record was stored now or is a duplicate of one stored before."""

    stored: int
    duplicates: int


class Erased(Struct, frozen=True, kw_only=True):
    """What became of an agent's rows in one table."""

    table: str
    found: int
    left: int


class Stretch(Struct, frozen=True):
    """How many records of a kind an account group has in ``STRETCH_S`` seconds from ``first_round`` on."""

    aid: int
    first_round: int
    records: int


def digest_of(agent_id: str) -> bytes:
    """What is kept of an agent that was erased: SHA-256 of its ID."""
    return hashlib.sha256(agent_id.encode("utf-8", "surrogatepass")).digest()


class Store(Protocol):
    """Where records rest. Every method may raise ``StoreUnavailableError``; then nothing was acknowledged."""

    @property
    def prune_step_s(self) -> int:
        """``prune`` costs little where ``before_round`` is divisible by this."""
        ...

    async def check(self) -> None:
        """See, before anybody asks anything, that it can be used.

        Raises:
            ConfigError: its tables are not there, or of another version; says what to do.
        """
        ...

    async def add(self, kind: str, records: Sequence[Record]) -> Added:
        """Keep records: on return all of them are on disk. One whose ID is known is left as it was.

        Details are kept of the kinds that have one (``Kind.detail``), and dropped in the others.

        Raises:
            ErasedError: one is of an agent that was erased; none is kept.
        """
        ...

    async def page(self, query: Query) -> PageOf:
        """Answer a question, bodies in order of ``(round_id, record_id)``."""
        ...

    async def last_round(self, kind: str, aid: int) -> int | None:
        """The newest round that holds records of this kind and account group."""
        ...

    async def get(self, kind: str, aid: int, round_id: int, record_id: str) -> Record | None:
        """One record, whole: with its detail."""
        ...

    async def count_by(self, query: Query, column: str) -> dict[str | None, int]:
        """How many records there are of each value of ``column``, a field of ``Dimensions``.

        Counts all that kind, account group, rounds and filters of ``query`` admit, wherever a page would end.
        None counts those where the value is not known; a value that no record has is left out.

        Raises:
            LookupError: ``Dimensions`` has no such field.
        """
        ...

    async def summarize(self, query: Query, bucket_s: int) -> Summary:
        """What all records that a question admits come to, in whole and in buckets of ``bucket_s`` seconds.

        ``limit``, ``after`` and ``skip`` of the question are not looked at.

        Raises:
            InvalidValueError: more than ``MAX_BUCKETS`` buckets.
        """
        ...

    async def rank(
        self, query: Query, column: str, *, bucket_s: int, order: GroupOrder, limit: int
    ) -> list[Group]:
        """What they come to by value of ``column``, a field of ``Dimensions``: the first by ``order``.

        Groups without that number come last; equal ones in order of their value.

        Raises:
            LookupError: ``Dimensions`` has no such field.
            InvalidValueError: more than ``MAX_BUCKETS`` buckets or ``MAX_GROUPS`` groups.
        """
        ...

    async def prepare(self, kind: str, aid: int, first_round: int, last_round: int) -> None:
        """Do what makes ``summarize`` and ``rank`` of a range quick, and can be done before anybody asks.

        No answer depends on it. Takes a second for half a million records, once.
        """
        ...

    async def measurements(self, query: Query) -> list[Measurement]:
        """The dimensions and numbers of all records that a question admits, in no order that means anything.

        For a round or a few: all of them are in memory at once. ``limit``, ``after`` and ``skip`` of the
        question are not looked at.
        """
        ...

    async def prune(self, kind: str, before_round: int) -> int:
        """Delete whole rounds older than ``before_round``, in all account groups, in short transactions.

        Returns:
            How many records went.
        """
        ...

    async def count_of(self, agent_id: str) -> dict[str, int]:
        """How many rows each table has of an agent, in all account groups; of every table, also when none."""
        ...

    def records_of(self, agent_id: str) -> AsyncIterator[tuple[str, Record]]:
        """Every record of an agent with its kind and its detail, in all account groups.

        By kind; within a kind in no order that means anything. Few are held in memory at a time.
        """
        ...

    async def erase(self, agent_id: str) -> list[Erased]:
        """Remove all of an agent's records and details, and take no more of it, ever (``ErasedError``).

        In short transactions between those of ``add``. Afterwards every table is counted again.

        Returns:
            what each table had, and what it has now: 0, or something is wrong.
        """
        ...

    async def sweep(self) -> None:
        """See to it that the bytes of what was erased are gone from the files, too.

        Takes long where there is much, and puts off who wants to write meanwhile.
        """
        ...

    async def stretches(self, kind: str) -> list[Stretch]:
        """Where there are records of a kind, in order of account group, then time."""
        ...

    def records_between(
        self, kind: str, aid: int, first_round: int, last_round: int
    ) -> AsyncIterator[Record]:
        """Records with their details in order of ``(round_id, record_id)``; few are in memory at a time."""
        ...

    async def erased(self) -> list[bytes]:
        """SHA-256 of the IDs of the agents that were erased."""
        ...

    async def refuse(self, digests: Sequence[bytes]) -> None:
        """Take no more of the agents whose IDs have these digests; what is there of them stays."""
        ...

    async def close(self) -> None:
        """Finish what was begun, and let go of the files."""
        ...
