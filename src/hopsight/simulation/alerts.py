"""Examples of alert rules and of a maintenance window, made for the faults that the simulation has."""

from typing import Final

from hopsight.model.alerts import AlertFilter, AlertRule, MaintenanceWindow
from hopsight.simulation.conditions import OUTAGE_BLOCK_S, Outage, outage_in
from hopsight.simulation.fleet import MARK
from hopsight.simulation.world import SITES

AROUND_S: Final = 900
"""The window begins so long before the outage that it is about, and ends so long after it."""
_INTRANET: Final = ("build.corp.example", "erp.corp.example", "intranet.corp.example")


def example_rules(agents: int) -> list[AlertRule]:
    """Rules that find something in a fleet of so many agents; they tell nobody."""
    # Simulated people use a site now and then: a pair of agent and site is measured in few of the rounds.
    several = max(3, agents // 10)
    return [
        AlertRule(
            name="Sites that do not answer",
            metric="loss",
            threshold=50,
            rounds=2,
            of_rounds=10,
            clear_rounds=10,
            min_agents=several,
        ),
        AlertRule(
            name="Calls over Wi-Fi stutter",
            metric="jitter",
            threshold=15,
            rounds=2,
            of_rounds=20,
            clear_rounds=20,
            min_agents=2,
            filters=(AlertFilter("connection", ("Wireless",)),),
        ),
        AlertRule(
            name="Intranet is slow",
            metric="latency",
            threshold=150,
            rounds=2,
            of_rounds=20,
            clear_rounds=20,
            min_agents=3,
            filters=(AlertFilter("visitedSite", _INTRANET),),
        ),
        AlertRule(
            name="Agents without data",
            metric="no-data",
            rounds=3,
            of_rounds=5,
            min_agents=max(5, agents // 5),
        ),
    ]


def example_window(seed: int, first_s: int, end_s: int) -> MaintenanceWindow | None:
    """A window around the newest outage that lies whole between two moments, epoch seconds.

    Returns:
        None: there is none.
    """
    block_s = end_s // OUTAGE_BLOCK_S * OUTAGE_BLOCK_S
    for start_s in range(block_s, first_s - OUTAGE_BLOCK_S, -OUTAGE_BLOCK_S):
        outage = outage_in(seed, start_s)
        if first_s <= outage.start_s and outage.end_s <= end_s:
            return _around(outage)
    return None


def _around(outage: Outage) -> MaintenanceWindow:
    sites = tuple(site.host for site in SITES if site.provider == outage.provider)
    return MaintenanceWindow(
        name=f"{MARK} work at the provider of {sites[0]}",
        # People plan by five minutes.
        start_s=(outage.start_s - AROUND_S) // 300 * 300,
        end_s=-(-(outage.end_s + AROUND_S) // 300) * 300,
        filters=(AlertFilter("visitedSite", sites),),
    )
