"""Tables of one agent's page, and of one network's."""

from typing import Final

from hopsight.errors import InvalidValueError
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.server.web.agent_numbers import machine_series, session_rows, state_bands
from hopsight.server.web.agents import MOST_SESSIONS, find_agent, read_newest, read_states, read_stays
from hopsight.server.web.export.csv_writing import Table, instant, instant_of
from hopsight.server.web.export.fleet_tables import read_series, read_verdicts
from hopsight.server.web.export.measure_columns import MEASURES, cells_of, rank_table
from hopsight.server.web.names import names_of
from hopsight.server.web.networks import WITHIN, check_known, narrowed_to, read_within
from hopsight.server.web.overview_numbers import bucket_starts
from hopsight.server.web.view import bucket_s_of
from hopsight.server.web.visitor import Visitor


def subject_of(visitor: Visitor, what: str) -> str:
    """Which agent, network or session the URL's ``of`` names.

    Raises:
        InvalidValueError: it names none.
    """
    subject = visitor.parameters.one("of")
    if not subject:
        raise InvalidValueError("of", "", f"the ID of {what}")
    return subject


def at_agent(visitor: Visitor) -> Visitor:
    """The visitor, looking at the agent that the URL's ``of`` names alone."""
    return find_agent(visitor, subject_of(visitor, "an agent").lower())[1]


async def at_network(visitor: Visitor) -> Visitor:
    """The visitor, looking at the network that the URL's ``of`` names alone."""
    network_id = subject_of(visitor, "a network")
    visitor = narrowed_to(visitor, network_id)
    view = visitor.view
    summary = await visitor.services.store.summarize(
        view.query(USER_SESSIONS), bucket_s_of(view.time_range, 1)
    )
    await check_known(visitor, network_id, summary)
    return visitor


async def read_timeline(visitor: Visitor) -> Table:
    """An agent's charts, bucket by bucket."""
    return await read_series(at_agent(visitor))


async def read_machine(visitor: Visitor) -> Table:
    """What an agent's machine did in its newest sessions: from the bucket on that these reach back to."""
    visitor = at_agent(visitor)
    view, bucket_s = visitor.view, bucket_s_of(visitor.view.time_range)
    summary = await visitor.services.store.summarize(view.query(USER_SESSIONS), bucket_s)
    newest = await read_newest(visitor, summary)
    cpu, memory = machine_series(newest.machine, view.time_range, bucket_s)
    return Table(
        columns=("from", "to", "cpu_mean_percent", "memory_mean_percent"),
        rows=[
            [instant(start_s), instant(start_s + bucket_s), cpu.percents[index], memory.percents[index]]
            for index, start_s in enumerate(bucket_starts(view.time_range, bucket_s))
            if start_s >= (newest.cut_at_s or 0)
        ],
    )


async def read_spans(visitor: Visitor) -> Table:
    """Why an agent did not measure, and when."""
    visitor = at_agent(visitor)
    bands = state_bands(await read_states(visitor), visitor.view.time_range)
    return Table(
        columns=("state", "from", "to", "reason"),
        rows=[[each.state, instant_of(each.start), instant_of(each.end), each.reason] for each in bands],
    )


async def read_whereabouts(visitor: Visitor) -> Table:
    """What an agent was attached to."""
    return Table(
        columns=("kind", "name", "from", "to", *MEASURES),
        rows=[
            [
                each.kind,
                each.value,
                instant_of(each.first),
                instant_of(each.last),
                *cells_of(each.group.measures),
            ]
            for each in await read_stays(at_agent(visitor))
        ],
    )


async def read_sessions(visitor: Visitor) -> Table:
    """The newest sessions of an agent, newest first."""
    visitor = at_agent(visitor)
    view = visitor.view
    summary = await visitor.services.store.summarize(view.query(USER_SESSIONS), bucket_s_of(view.time_range))
    rows = session_rows((await read_newest(visitor, summary)).sessions, MOST_SESSIONS)
    return Table(
        columns=("session_id", "started", "site", "experience_score"),
        rows=[[row.session_id, instant_of(row.date), row.site, row.score] for row in rows],
    )


async def _series_of_network(visitor: Visitor) -> Table:
    return await read_series(await at_network(visitor))


async def _verdicts_of_network(visitor: Visitor) -> Table:
    return await read_verdicts(await at_network(visitor))


async def _within(visitor: Visitor) -> Table:
    """A rank within a network; ``by`` names it."""
    visitor = await at_network(visitor)
    by = visitor.parameters.one("by") or WITHIN[0][2]
    column = next((column for _, column, key in WITHIN if key == by), None)
    if column is None:
        raise InvalidValueError("by", by, ", ".join(key for _, _, key in WITHIN))
    groups = await read_within(visitor, column)
    values = [group.value for group in groups if group.value is not None]
    return rank_table(groups, await names_of(visitor, column, values))


AGENT: Final = {
    "timeline": read_timeline,
    "machine": read_machine,
    "states": read_spans,
    "whereabouts": read_whereabouts,
    "sessions": read_sessions,
}
NETWORK: Final = {"series": _series_of_network, "verdicts": _verdicts_of_network, "ranks": _within}
