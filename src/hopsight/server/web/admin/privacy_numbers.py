"""What the server can tell of an organization's agents and of one person, for privacy: counts, no records."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.personal_data import KnownAgent
from hopsight.accounts.personal_rows import Subject
from hopsight.errors import ConflictError
from hopsight.model.agents import Agent
from hopsight.storage.store import Store

MAX_AGENTS: Final = 200
"""More agents than one person has; as for ``hopsight admin export``."""

_PAGE_AGENTS: Final = 1_000
_PSEUDONYM: Final = re.compile(r"computer-[0-9a-f]{12}")


class GroupPrivacy(Struct, frozen=True, kw_only=True):
    """What agents of an account group (deleted ones too) say of people; numbers of agents."""

    name: str
    agents: int
    with_users: int
    with_computer_name: int


class Found(Struct, frozen=True, kw_only=True):
    """What there is of a person.

    Args:
        agents: those that report the name.
        shared: of these, how many report other people as well.
        is_user: whether a user of the organization has that address.
        counts: rows by table, of accounts and store; only tables that have some.
        kept_out: why the user's rows were not counted; empty: they were, or there is no such user.
        too_many: whether the name stands for nobody; nothing was counted then.
    """

    agents: tuple[KnownAgent, ...] = ()
    shared: int = 0
    is_user: bool = False
    counts: tuple[tuple[str, int], ...] = ()
    kept_out: str = ""
    too_many: bool = False


def group_privacy(accounts: Accounts, aid: int, name: str) -> GroupPrivacy:
    """Count what agents of an account group say."""
    agents = with_users = with_name = 0
    for agent in _all_agents(accounts, aid):
        agents += 1
        with_users += bool(agent.info.user_names)
        with_name += not _PSEUDONYM.fullmatch(agent.info.computer_name)
    return GroupPrivacy(name=name, agents=agents, with_users=with_users, with_computer_name=with_name)


async def find_person(accounts: Accounts, store: Store, aids: Iterable[int], org_id: int, name: str) -> Found:
    """What there is of a person in an organization: agents that report the name, and the user so called."""
    aids = list(aids)
    mine = [
        agent for agent in accounts.personal_data.agents_of(name) if _is_in(accounts, aids, agent.agent_id)
    ]
    if len(mine) > MAX_AGENTS:
        return Found(too_many=True)
    email = name.strip().lower()
    user = next((each for each in accounts.users_of(aids) if each.email == email), None)
    account, kept_out = Subject(), ""
    if user is not None:
        try:
            # Refused where the user is another organization's, too: so are some of the rows.
            accounts.tokens_of(org_id, user.uid)
            account = accounts.personal_data.user_of(email)
        except ConflictError:
            kept_out = "This user is in another organization, too; whoever runs the server can count"
    agent_ids = tuple(agent.agent_id for agent in mine)
    subject = Subject(agent_ids=agent_ids, email=account.email, uids=account.uids)
    return Found(
        agents=tuple(mine),
        shared=sum(len(agent.user_names) > 1 for agent in mine),
        is_user=user is not None,
        counts=await _counts(accounts, store, subject),
        kept_out=kept_out,
    )


async def _counts(accounts: Accounts, store: Store, subject: Subject) -> tuple[tuple[str, int], ...]:
    counts = Counter({f"accounts.{table}": n for table, n in accounts.personal_data.count(subject).items()})
    for agent_id in subject.agent_ids:
        counts.update(await store.count_of(agent_id))
    return tuple(sorted((table, rows) for table, rows in counts.items() if rows))


def _is_in(accounts: Accounts, aids: list[int], agent_id: str) -> bool:
    return any(accounts.agent(aid, agent_id) is not None for aid in aids)


def _all_agents(accounts: Accounts, aid: int) -> Iterable[Agent]:
    for deleted in (False, True):
        after = None
        while page := accounts.agents(aid, deleted=deleted, after=after, limit=_PAGE_AGENTS):
            yield from page
            after = page[-1].agent_id
