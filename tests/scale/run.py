"""The run: load, one fault after the other, and at the end what was acknowledged against what is found."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct
from tests.scale.faults import FAULTS
from tests.scale.fleet import Fleet, Readers, Second
from tests.scale.installation import Installation

from hopsight.accounts.bootstrap_file import Bootstrap

HISTORY_AGENTS: Final = 8
HISTORY_BATCHES: Final = 12
HISTORY_SEED: Final = 8
DAY_S: Final = 86_400

Tell = Callable[[str], None]


class Plan(Struct, frozen=True, kw_only=True):
    """What is run.

    Args:
        agents: that upload.
        every_s: between uploads of an agent.
        servers: of ours.
        down_s: until what was killed is started again.
        frozen_s: for which what is stopped stands still.
        calm_s: after a fault is over.
        faults: names in ``FAULTS``, in order.
    """

    agents: int
    every_s: float
    servers: int
    down_s: float
    frozen_s: float
    calm_s: float
    faults: tuple[str, ...]


class Phase(Struct, frozen=True, kw_only=True):
    """What one fault cost, from its beginning to the beginning of the next.

    Args:
        name: in ``FAULTS``; "calm": before the first.
        lasted_s: how long the fault was there.
        pages: asked for.
        pages_failed: of these.
        uploads: sent.
        uploads_failed: of these; each was sent again.
        pages_back_s: from the beginning until pages failed no more; 0: none did.
        uploads_back_s: the same of uploads.
        changed: walks through a settled range that found other pages than the first one.
        reasons: why uploads failed, by status.
    """

    name: str
    lasted_s: float
    pages: int
    pages_failed: int
    uploads: int
    uploads_failed: int
    pages_back_s: int
    uploads_back_s: int
    changed: int
    reasons: dict[str, int]


class Outcome(Struct, frozen=True, kw_only=True):
    """The whole.

    Args:
        plan: what was run.
        phases: in order.
        acknowledged: records that a server said were stored.
        found: of these, in the API at the end.
        twice: records that the API has more than once.
        refused: records that a server would never take.
        walks: through the settled range.
        changed: of these, with other pages than the first one.
        reasons: of failed pages, and of failed uploads.
        servers: how many pages each one answered.
    """

    plan: Plan
    phases: tuple[Phase, ...]
    acknowledged: int
    found: int
    twice: int
    refused: int
    walks: int
    changed: int
    reasons: tuple[dict[str, int], dict[str, int]]
    servers: dict[str, int]

    @property
    def is_whole(self) -> bool:
        """Nothing acknowledged is missing, nothing came twice, and no page changed."""
        return self.acknowledged == self.found and not self.twice and not self.changed


async def run(plan: Plan, tell: Tell, logs: Path | None = None) -> Outcome:
    """Start everything, load it, lose things, and look what is left; ``logs`` of servers are kept there."""
    installation = Installation(plan.servers)
    try:
        tell("starting ...")
        bootstrap = await installation.start()
        return await _run(plan, installation, bootstrap, tell)
    finally:
        if logs is not None:
            installation.copy_logs(logs)
        installation.remove()


async def _run(plan: Plan, installation: Installation, bootstrap: Bootstrap, tell: Tell) -> Outcome:
    last_round = int(time.time()) // 60 * 60 - 3_600
    url, token = installation.proxied.url, bootstrap.token
    assert token is not None
    readers = Readers(url, token, last_round - 9 * DAY_S, last_round - 5 * DAY_S)
    # What readers read: older than all that comes later.
    history = Fleet(
        url, bootstrap, HISTORY_AGENTS, last_round - 5 * DAY_S, days=4, records=100, seed=HISTORY_SEED
    )
    fleet = Fleet(url, bootstrap, plan.agents, last_round, days=4)
    stop = asyncio.Event()
    tell("enrolling, and filling what is read ...")
    await history.enrol()
    await history.upload(stop, 0.0, most=HISTORY_BATCHES)
    await fleet.enrol()
    working = asyncio.gather(fleet.upload(stop, plan.every_s), readers.read(stop))
    phases = []
    try:
        await asyncio.sleep(plan.calm_s)
        phases.append(_phase("calm", 0.0, 0, readers.changed, fleet.uploads, readers.pages))
        for name in plan.faults:
            phases.append(await _strike(plan, name, installation, fleet, readers, tell))
            tell(f"{name}: {phases[-1]}")
    finally:
        stop.set()
        with contextlib.suppress(Exception):
            await working
    tell("looking for what was acknowledged ...")
    found = await readers.ids(url, last_round - 10 * DAY_S, last_round + DAY_S)
    acknowledged = fleet.acknowledged | history.acknowledged
    await history.close()
    await fleet.close()
    return Outcome(
        plan=plan,
        phases=tuple(phases),
        acknowledged=len(acknowledged),
        found=len(acknowledged & found.keys()),
        twice=sum(number > 1 for number in found.values()),
        refused=len(fleet.refused),
        walks=readers.walks,
        changed=readers.changed,
        reasons=(dict(readers.pages.reasons), dict(fleet.uploads.reasons)),
        servers=dict(readers.servers),
    )


async def _strike(
    plan: Plan, name: str, installation: Installation, fleet: Fleet, readers: Readers, tell: Tell
) -> Phase:
    fault = FAULTS[name]
    tell(f"{fault.what} ...")
    began_s, changed = time.monotonic(), readers.changed
    await fault.strike(installation, plan.frozen_s if fault.is_freeze else plan.down_s)
    lasted_s = time.monotonic() - began_s
    await asyncio.sleep(plan.calm_s)
    since = int(began_s - fleet.uploads.began_s), int(began_s - readers.pages.began_s)
    return _phase(name, lasted_s, since[0], readers.changed - changed, fleet.uploads, readers.pages, since[1])


def _phase(
    name: str,
    lasted_s: float,
    uploads_since: int,
    changed: int,
    uploads: Second,
    pages: Second,
    pages_since: int = 0,
) -> Phase:
    return Phase(
        name=name,
        lasted_s=round(lasted_s, 1),
        pages=sum(number for second, number in pages.asked.items() if second >= pages_since),
        pages_failed=sum(number for second, number in pages.failed.items() if second >= pages_since),
        uploads=sum(number for second, number in uploads.asked.items() if second >= uploads_since),
        uploads_failed=sum(number for second, number in uploads.failed.items() if second >= uploads_since),
        pages_back_s=_back_after(pages, pages_since),
        uploads_back_s=_back_after(uploads, uploads_since),
        changed=changed,
        reasons=uploads.reasons_since(uploads_since),
    )


def _back_after(seconds: Second, since: int) -> int:
    """How long after ``since`` the last request that failed was sent, and a second more; 0: none failed."""
    failed = [second for second in seconds.failed if second >= since]
    return max(failed) - since + 1 if failed else 0
