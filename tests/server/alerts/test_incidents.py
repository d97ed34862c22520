"""Rules over simulated faults: what fires, what does not, and what is said to be the cause."""

import random
from collections.abc import Callable, Iterable

import msgspec
import pytest

from hopsight.model.aggregates import Measurement
from hopsight.model.alerts import AlertFilter, AlertRule, Cause
from hopsight.model.dimensions import Dimensions
from hopsight.server.alerts.evaluation import Round, judge, judge_silence, summarize_round
from hopsight.server.alerts.incidents import OpenIncident, Step, advance
from hopsight.server.alerts.texts import cause_of

RULE = AlertRule(name="Slow", metric="latency", threshold=150.0)
SITES = ("mail.example.com", "crm.example.org", "wiki.example.net")

Fault = Callable[[Dimensions, int], float | None]
"""What a session at a place in a round adds to its latency, ms; None: there is no session."""


def fleet(offices: int = 2, aps: int = 4, each: int = 10) -> list[Dimensions]:
    """Agents of some offices, ``each`` behind every access point, and each of their sites."""
    return [
        Dimensions(
            agent_id=f"agent-{office}-{ap}-{number}",
            gateway=f"10.{office}.0.1",
            bssid=f"02:00:00:00:0{office}:0{ap}",
            ssid="office",
            network_id=f"00000000000{office}",
            vpn_target="198.51.100.9" if number % 2 else None,
            visited_site=site,
            verdict="healthy",
        )
        for office in range(offices)
        for ap in range(aps)
        for number in range(each)
        for site in SITES
    ]


def rounds_of(rule: AlertRule, places: list[Dimensions], fault: Fault, rounds: Iterable[int]) -> list[Round]:
    """What these rounds come to for a rule."""
    rng = random.Random(1)
    made = []
    for number in rounds:
        sessions = []
        for place in places:
            added_ms = fault(place, number)
            if added_ms is not None:
                latency_ms = rng.uniform(10, 60) + added_ms
                sessions.append(Measurement(place, min(100.0, added_ms / 10), latency_ms, 1.0))
        made.append(summarize_round(rule, sessions))
    return made


class Desk:
    """An operator's desk: incidents come and go on it, round by round."""

    def __init__(self, rule: AlertRule, history: int | None = None) -> None:
        self.rule = rule
        self.history = history or rule.of_rounds
        self.opened: dict[int, OpenIncident] = {}
        self.told: list[tuple[int, str, Cause]] = []

    def run(self, rounds: list[Round], excused: frozenset[str] = frozenset()) -> None:
        """Let these rounds pass."""
        for number in range(len(rounds)):
            seen = rounds[max(0, number + 1 - self.history) : number + 1]
            silent = self.rule.metric == "no-data"
            verdicts = judge_silence(self.rule, seen, excused) if silent else judge(self.rule, seen)
            for step in advance(self.rule, list(self.opened.values()), verdicts):
                self._take(number, step)

    def _take(self, number: int, step: Step) -> None:
        known = step.incident
        incident_id = len(self.told) + 100 if known is None else known.incident_id
        if step.name in {"opened", "resolved"}:
            self.told.append((number, step.name, step.cause))
        if step.name == "resolved":
            del self.opened[incident_id]
            return
        agents = frozenset(step.agents) | (known.agents if known else frozenset())
        self.opened[incident_id] = OpenIncident(
            incident_id=incident_id, cause=step.cause, agents=agents, calm_rounds=step.calm_rounds
        )


def told(rule: AlertRule, places: list[Dimensions], fault: Fault, rounds: int = 60) -> list[tuple[str, str]]:
    """What an operator is told of in an hour: happening, and cause."""
    desk = Desk(rule)
    desk.run(rounds_of(rule, places, fault, range(rounds)))
    return [(name, f"{cause.dimension}={cause.value}") for _, name, cause in desk.told]


def test_a_bad_access_point_fires_once_and_is_named() -> None:
    """Ten agents behind it are slow to every site for half an hour: one incident, opened and resolved."""
    bad = "02:00:00:00:01:02"
    found = told(RULE, fleet(), lambda place, number: 300.0 * (place.bssid == bad and 10 <= number < 40))
    assert found == [("opened", f"bssid={bad}"), ("resolved", f"bssid={bad}")]


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("gateway", "10.1.0.1", "gateway=10.1.0.1"),
        ("vpn_target", "198.51.100.9", "vpnTarget=198.51.100.9"),
        ("visited_site", "crm.example.org", "visitedSite=crm.example.org"),
    ],
)
def test_what_is_shared_by_most_is_named(column: str, value: str, named: str) -> None:
    """A fault behind the access points is one incident that names what all of its agents share."""
    found = told(
        RULE, fleet(), lambda place, number: 300.0 * (getattr(place, column) == value and 10 <= number < 40)
    )
    assert found == [("opened", named), ("resolved", named)]


def test_two_faults_at_once_are_two_incidents() -> None:
    """A bad access point in one office and a slow site for everybody are told apart, the larger one first."""
    bad = "02:00:00:00:01:02"

    def fault(place: Dimensions, number: int) -> float:
        return 300.0 * (number >= 10 and (place.bssid == bad or place.visited_site == SITES[1]))

    assert told(RULE, fleet(), fault) == [("opened", f"visitedSite={SITES[1]}"), ("opened", f"bssid={bad}")]


def test_a_site_that_some_use_is_named_and_not_their_gateway() -> None:
    """Agents with one failing site of three speak against their gateway, though each of them fails."""
    bad = SITES[1]

    def fault(place: Dimensions, number: int) -> float | None:
        if place.visited_site == bad and place.gateway == "10.0.0.1" and place.agent_id.endswith("9"):
            return None
        return 300.0 * (place.visited_site == bad and number >= 10)

    named = f"visitedSite={bad}"
    assert told(RULE, fleet(), fault) == [("opened", named)]


def test_sites_that_fail_together_are_one_incident_of_their_domain() -> None:
    """A provider of three sites that each agent uses one of: no site and no gateway explains all of them."""
    names = ("mail.example.com", "crm.example.org", "a.cloud.example", "b.cloud.example", "c.cloud.example")

    def visited(place: Dimensions) -> Dimensions:
        site = (
            names[2 + int(place.agent_id[-1]) % 3] if place.visited_site == SITES[2] else place.visited_site
        )
        assert site is not None
        return msgspec.structs.replace(place, visited_site=site, domain=site.split(".", 1)[1])

    places = [visited(place) for place in fleet()]
    found = told(
        RULE, places, lambda place, number: 300.0 * (place.domain == "cloud.example" and 10 <= number < 40)
    )
    assert found == [("opened", "domain=cloud.example"), ("resolved", "domain=cloud.example")]


def test_agents_of_one_provider_are_one_incident_of_it() -> None:
    """People at home share no gateway and no network: what they have in common is who connects them."""
    homes = [
        msgspec.structs.replace(
            place,
            bssid=f"02:{place.agent_id}",
            gateway=f"192.168.{place.agent_id[-1]}.1",
            network_id=place.agent_id,
        )
        for place in fleet(offices=1)
    ]
    providers = {
        place.agent_id: "AS64500 Slow" if place.agent_id < "agent-0-2" else "AS64501 Well" for place in homes
    }
    rounds = rounds_of(
        RULE, homes, lambda place, _: 300.0 * (providers[place.agent_id] == "AS64500 Slow"), range(5)
    )
    verdicts = judge(RULE, rounds)
    (step,) = advance(RULE, [], verdicts, providers)
    assert (step.cause.dimension, step.cause.value) == ("provider", "AS64500 Slow")
    assert len(step.agents) == 20
    assert cause_of(step.cause) == "provider AS64500 Slow"


def test_what_a_cause_leaves_behind_as_it_fades_is_its_own_incident_no_more() -> None:
    """Agents of an incident that fail on for reasons nobody sees are in that incident, not in a new one."""

    def fault(place: Dimensions, number: int) -> float:
        # Later only some go on with the site, and others with anything: nothing explains these.
        is_slow = place.visited_site == SITES[1] if number < 30 or place.gateway == "10.0.0.1" else False
        is_odd = number >= 30 and place.gateway == "10.1.0.1" and place.agent_id.endswith("3")
        return 300.0 * (10 <= number < 45 and (is_slow or (is_odd and place.visited_site == SITES[0])))

    found = told(msgspec.structs.replace(RULE, min_agents=4), fleet(), fault)
    assert [name for name, _ in found] == ["opened", "resolved"]


def test_what_may_yet_fail_speaks_for_nobody() -> None:
    """What was over the threshold once is neither failing nor good: the site has nobody against it."""
    rule = msgspec.structs.replace(RULE, rounds=2, of_rounds=10, min_agents=5)
    places = fleet()

    def fault(place: Dimensions, number: int) -> float | None:
        # Half of the agents use the site in every round, the others in one alone.
        if place.visited_site == SITES[0] and int(place.agent_id[-1]) % 2 and number != 11:
            return None
        return 300.0 * (place.visited_site == SITES[0] and number >= 10)

    rounds = rounds_of(rule, places, fault, range(14))
    verdicts = judge(rule, rounds)
    assert {unit.site for unit in verdicts.failing} == {SITES[0]}
    assert not [unit for unit in verdicts.good if unit.site == SITES[0]]


def test_one_noisy_laptop_is_no_incident() -> None:
    """However bad a single agent is, and for however long, the minimum of agents is not reached."""
    assert told(RULE, fleet(), lambda place, _: 900.0 * (place.agent_id == "agent-0-0-0")) == []


def test_sleep_is_no_incident() -> None:
    """Agents that are away are in no round: neither failing, nor a reason to resolve what others have."""
    bad = "02:00:00:00:01:02"

    def fault(place: Dimensions, number: int) -> float | None:
        if place.bssid != bad and 10 <= number < 30:
            return None
        return 300.0 * (place.bssid == bad and number >= 20)

    assert told(RULE, fleet(), fault) == [("opened", f"bssid={bad}")]


def test_a_deploy_is_no_incident() -> None:
    """One round in which everything is slow is not N of M."""
    assert told(RULE, fleet(), lambda _, number: 300.0 * (number in {10, 30})) == []


def test_an_incident_that_comes_and_goes_is_one() -> None:
    """Hysteresis: two quiet rounds between bad ones resolve nothing; K quiet ones do."""
    bad = "02:00:00:00:00:01"
    fault = lambda place, number: 300.0 * (place.bssid == bad and 10 <= number < 40 and number % 5 < 3)  # noqa: E731
    desk = Desk(RULE)
    desk.run(rounds_of(RULE, fleet(), fault, range(60)))
    assert [(number, name) for number, name, _ in desk.told] == [(12, "opened"), (44, "resolved")]


def test_a_fault_that_grows_stays_one_incident() -> None:
    """It begins with one access point and ends with the whole office: the cause changes, not the incident."""

    def fault(place: Dimensions, number: int) -> float:
        wide = place.gateway == "10.1.0.1" and number >= 30
        return 300.0 * (wide or (place.bssid == "02:00:00:00:01:02" and number >= 10))

    desk = Desk(RULE)
    desk.run(rounds_of(RULE, fleet(), fault, range(60)))
    assert [name for _, name, _ in desk.told] == ["opened"]
    (incident,) = desk.opened.values()
    assert (incident.cause.dimension, incident.cause.failing) == ("gateway", 40)


def test_what_nothing_explains_has_no_cause() -> None:
    """Three homes that share nothing are one incident without a name for its cause."""
    places = [
        Dimensions(agent_id=f"home-{number}", gateway=f"192.168.{number}.1", visited_site=site)
        for number in range(30)
        for site in SITES
    ]
    found = told(RULE, places, lambda place, _: 300.0 * (place.agent_id in {"home-1", "home-2", "home-3"}), 9)
    assert found == [("opened", "None=None")]


def test_filters_of_a_rule_hold() -> None:
    """Sessions that its filters do not admit are nothing to it."""
    only = AlertFilter("visitedSite", (SITES[1],))
    rule = AlertRule(name="Crm", metric="latency", threshold=150.0, filters=(only,))
    assert told(rule, fleet(), lambda place, _: 300.0 * (place.visited_site == SITES[0])) == []
    slow = told(rule, fleet(), lambda place, _: 300.0 * (place.visited_site == SITES[1]))
    assert slow == [("opened", f"visitedSite={SITES[1]}")]


@pytest.mark.parametrize("metric", ["loss", "jitter", "verdict"])
def test_each_metric_is_its_own_number(metric: str) -> None:
    """Loss is a mean, jitter a 95th percentile, a verdict the share of those that have any."""
    rule = AlertRule(name="x", metric=metric, threshold=20.0, verdict="lan")  # type: ignore[arg-type]
    place = fleet(1, 1, 1)[0]
    other = Dimensions(agent_id=place.agent_id, visited_site=place.visited_site, verdict="lan")
    passive = Dimensions(agent_id=place.agent_id, visited_site=place.visited_site)
    sessions = [
        Measurement(place, 0.0, 5.0, 1.0),
        Measurement(other, 50.0, 9.0, 30.0),
        Measurement(passive, None, 1.0, None),
    ]
    values = summarize_round(rule, sessions).values
    assert list(values.values()) == [{"loss": 25.0, "jitter": 30.0, "verdict": 50.0}[metric]]


def test_what_was_not_measured_has_no_number() -> None:
    """An agent whose sessions have no latency is absent from a rule about it: not failing, and not well."""
    place = fleet(1, 1, 1)[0]
    assert not summarize_round(RULE, [Measurement(place, 100.0, None, None)]).values


def test_an_office_that_falls_silent_is_an_incident_and_sleepers_are_not() -> None:
    """Agents that all stop at once are named by what they share; those with a state are excused."""
    rule = AlertRule(name="Silent", metric="no-data", min_agents=5)
    bad = "10.1.0.1"
    fault = lambda place, number: None if place.gateway == bad and number >= 20 else 0.0  # noqa: E731
    rounds = rounds_of(rule, fleet(), fault, range(30))
    desk = Desk(rule, history=15)
    desk.run(rounds)
    assert [(name, cause.value) for _, name, cause in desk.told] == [("opened", bad)]
    excused = frozenset(place.agent_id for place in fleet() if place.gateway == bad)
    calm = Desk(rule, history=15)
    calm.run(rounds, excused)
    assert calm.told == []
