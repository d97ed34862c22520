"""The official SDK against a real server: every method of the classes that version 7 here is for.

What the SDK cannot read, it raises: its models are strict about types and ranges.
"""

import json
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import uvicorn
from tests.server.api.v7.conftest import Fleet, hopsight
from thousandeyes_sdk.administrative import AccountGroupsApi
from thousandeyes_sdk.administrative.models import AccountGroupRequest, ExpandAccountGroupOptions
from thousandeyes_sdk.core import ApiClient, Configuration
from thousandeyes_sdk.core.exceptions import (
    ApiException,
    BadRequestException,
    ForbiddenException,
    NotFoundException,
    UnauthorizedException,
)
from thousandeyes_sdk.endpoint_agents import EndpointAgentsApi, EndpointAgentsTransferApi
from thousandeyes_sdk.endpoint_agents.models import (
    AgentSearchFilters,
    AgentSearchRequest,
    AgentTransfer,
    AgentTransferRequest,
    BulkAgentTransferRequest,
    EndpointAgentUpdate,
    ExpandEndpointAgentOptions,
)
from thousandeyes_sdk.endpoint_agents.models import Platform as AgentPlatform
from thousandeyes_sdk.endpoint_test_results import (
    LocalNetworkEndpointTestResultsApi,
    RealUserEndpointTestResultsApi,
)
from thousandeyes_sdk.endpoint_test_results.models import (
    EndpointNetworkTopologyResultRequest,
    EndpointNetworkTopologyResultRequestFilter,
    NetworkTopologyType,
    Platform,
    RealUserEndpointTestResultRequestFilter,
    RealUserEndpointTestResultsRequest,
)
from urllib3.util.retry import Retry

from hopsight.model.accounts import Role

PAGE = 1000
WINDOW = "8d"
"""Reaches back to the fleet's day, whatever the time is now."""
SDK_CLASSES = (
    RealUserEndpointTestResultsApi,
    LocalNetworkEndpointTestResultsApi,
    EndpointAgentsApi,
    EndpointAgentsTransferApi,
    AccountGroupsApi,
)


@pytest.fixture(scope="module")
def tests(fleet: Fleet) -> Any:
    """Real-user tests."""
    return RealUserEndpointTestResultsApi(fleet.sdk())


@pytest.fixture(scope="module")
def local(fleet: Fleet) -> Any:
    """Local networks."""
    return LocalNetworkEndpointTestResultsApi(fleet.sdk())


@pytest.fixture(scope="module")
def agents(fleet: Fleet) -> Any:
    """Endpoint agents."""
    return EndpointAgentsApi(fleet.sdk())


@pytest.fixture(scope="module")
def groups(fleet: Fleet) -> Any:
    """Account groups."""
    return AccountGroupsApi(fleet.sdk())


def unknown_fields(model: Any) -> set[str]:
    """Keys of an answer that the SDK's models do not know, at any depth: they take those without a word."""
    found = set(getattr(model, "model_extra", None) or ())
    for name in getattr(type(model), "model_fields", ()):
        value = getattr(model, name)
        for each in value if isinstance(value, list) else [value]:
            found |= unknown_fields(each)
    return found


def ids_of(items: Any) -> list[str]:
    """IDs, as they came."""
    return [item.id for item in items]


@pytest.mark.parametrize(
    "name",
    [
        "filter_real_user_tests_network_results",
        "filter_real_user_tests_results",
        "filter_real_user_tests_visited_pages_results",
    ],
)
def test_lists_of_real_user_tests(tests: Any, name: str) -> None:
    """All pages of a range, each item once, in order of rounds; without a range the last round alone."""
    first = getattr(tests, name)(window=WINDOW)
    assert not unknown_fields(first)
    assert len(first.results) == PAGE
    assert first.links.next.href
    assert first.end_date - first.start_date == timedelta(days=8)
    items = list(getattr(tests, f"{name}_paginated")(window=WINDOW))
    keys = [(item.round_id, item.id, getattr(item, "page_id", None)) for item in items]
    assert len(items) > PAGE
    assert keys == sorted(set(keys))
    last = getattr(tests, name)()
    assert last.start_date is None
    assert {item.round_id for item in last.results} == {max(round_id for round_id, _, _ in keys)}


def test_a_range_by_dates(tests: Any) -> None:
    """``start_date`` and ``end_date`` are the SDK's own writing of a time, and bound what comes."""
    last = tests.filter_real_user_tests_network_results().results[0].round_id
    end = datetime.fromtimestamp(last, UTC)
    start = end - timedelta(minutes=10)
    found = list(tests.filter_real_user_tests_network_results_paginated(start_date=start, end_date=end))
    assert {item.round_id for item in found} == set(range(last - 600, last + 60, 60))
    answer = tests.filter_real_user_tests_network_results(start_date=start, end_date=end)
    assert (answer.start_date, answer.end_date) == (start, end)


def test_a_network_of_a_real_user_test(tests: Any) -> None:
    """Loss is a number, RTTs are whole, the machine is measured beside them."""
    result = tests.filter_real_user_tests_network_results(window=WINDOW).results[0]
    assert 0 <= result.destination.loss <= 100
    assert isinstance(result.destination.latency, int)
    assert isinstance(result.destination.jitter, int)
    assert 0 <= result.system_metrics.cpu_utilization.mean <= 1
    assert result.system_metrics.physical_memory_total_bytes > 0
    assert result.var_date.tzinfo is not None
    results = tests.filter_real_user_tests_network_results_paginated(window=WINDOW)
    tunnels = [each.vpn for each in results if each.vpn is not None]
    assert tunnels
    assert all(isinstance(vpn.latency, int) and vpn.target for vpn in tunnels)


def test_filters_of_real_user_tests(tests: Any) -> None:
    """Filters narrow every list, on every page."""
    everything = list(tests.filter_real_user_tests_results_paginated(window=WINDOW))
    agent_id, site = everything[0].agent_id, everything[0].visited_site
    expected = [item.id for item in everything if item.agent_id == agent_id and item.visited_site == site]
    search = RealUserEndpointTestResultsRequest(
        search_filters=RealUserEndpointTestResultRequestFilter(agent_id=[agent_id], visited_site=[site])
    )
    for name in ("filter_real_user_tests_results", "filter_real_user_tests_network_results"):
        paginated = getattr(tests, f"{name}_paginated")
        assert ids_of(paginated(window=WINDOW, real_user_endpoint_test_results_request=search)) == expected
    pages = list(
        tests.filter_real_user_tests_visited_pages_results_paginated(
            window=WINDOW,
            real_user_endpoint_test_result_request_filter=RealUserEndpointTestResultRequestFilter(
                agent_id=[agent_id]
            ),
        )
    )
    assert pages
    assert {page.agent_id for page in pages} == {agent_id}


def test_filtered_pages_go_on_with_their_filter(tests: Any) -> None:
    """More than a page of what the filters leave is walked to its end."""
    search = RealUserEndpointTestResultsRequest(
        search_filters=RealUserEndpointTestResultRequestFilter(
            platform=[Platform.LINUX, Platform.MAC, Platform.WINDOWS]
        )
    )
    found = tests.filter_real_user_tests_network_results_paginated(
        window=WINDOW, real_user_endpoint_test_results_request=search
    )
    plain = tests.filter_real_user_tests_network_results_paginated(window=WINDOW)
    assert ids_of(found) == ids_of(plain)


def test_one_real_user_test(tests: Any) -> None:
    """The whole of a test: its network with profile, path and pings, its pages, its score."""
    page = tests.filter_real_user_tests_visited_pages_results(window=WINDOW).results[0]
    answer = tests.get_real_user_test_results(id=page.id)
    assert not unknown_fields(answer)
    found = answer.results[0]
    assert (found.id, found.agent_id, found.round_id) == (page.id, page.agent_id, page.round_id)
    assert found.number_of_pages == len(found.pages)
    assert page.page_id in {each.page_id for each in found.pages}
    assert found.experience_score is None or 0 <= found.experience_score <= 1
    assert found.network.network_profile.hardware_type.value in {"wireless", "ethernet"}
    assert isinstance(found.network.ping.avg_rtt, int)
    assert found.network.traceroute.hops[0].hop == 1
    assert answer.links.var_self.href.endswith(found.id)


def test_one_page_of_a_real_user_test(tests: Any) -> None:
    """The HTTP Archive of a page, with the exchange that fetched it."""
    page = tests.filter_real_user_tests_visited_pages_results(window=WINDOW).results[0]
    answer = tests.get_real_user_test_page_results(id=page.id, page_id=page.page_id)
    log = answer.har["log"]
    assert log["version"] == "1.2"
    assert log["entries"][0]["request"]["url"] == page.page_url
    assert not unknown_fields(answer)


def test_topologies(local: Any) -> None:
    """Probes of gateways and what else there is, list and detail; filters by type."""
    everything = list(local.filter_local_networks_test_results_topologies_paginated(window=WINDOW))
    assert not any(unknown_fields(each) for each in everything)
    kinds = {each.type.value for each in everything}
    assert "gateway" in kinds
    for kind in kinds:
        search = EndpointNetworkTopologyResultRequest(
            search_filters=EndpointNetworkTopologyResultRequestFilter(type=[NetworkTopologyType(kind)])
        )
        found = local.filter_local_networks_test_results_topologies_paginated(
            window=WINDOW, endpoint_network_topology_result_request=search
        )
        expected = [each.network_topology_id for each in everything if each.type.value == kind]
        assert [each.network_topology_id for each in found] == expected
    answer = local.get_local_networks_test_results_topology(
        network_topology_id=everything[0].network_topology_id
    )
    assert not unknown_fields(answer)
    assert answer.results[0].network_profile.gateway == everything[0].target
    assert answer.results[0].icmp_ping.pkts_sent >= answer.results[0].icmp_ping.pkts_received


def test_local_networks(local: Any) -> None:
    """Each network once; its ID is a filter of the other lists."""
    found = local.get_local_networks_test_results()
    assert not unknown_fields(found)
    ids = [network.network_id for network in found.local_networks]
    assert ids == sorted(set(ids))
    search = EndpointNetworkTopologyResultRequest(
        search_filters=EndpointNetworkTopologyResultRequestFilter(network_id=ids[:1])
    )
    probes = local.filter_local_networks_test_results_topologies(
        window=WINDOW, endpoint_network_topology_result_request=search
    ).results
    assert probes
    assert all(f":{ids[0]}:" in probe.network_topology_id for probe in probes)


def test_agents(agents: Any) -> None:
    """Pages of three agents hold each agent once, and every page says how many there are."""
    clients = [ExpandEndpointAgentOptions.CLIENTS]
    first = agents.get_endpoint_agents(max=3, expand=clients)
    assert not unknown_fields(first)
    assert (first.total_agents, len(first.agents)) == (20, 3)
    assert all(agent.clients is not None for agent in first.agents)
    found = ids_of(agents.get_endpoint_agents_paginated(max=3))
    assert len(found) == 20
    assert found == sorted(set(found))
    one = agents.get_endpoint_agent(agent_id=found[0])
    assert one.id == found[0]
    named = agents.get_endpoint_agents(agent_name=one.name)
    assert found[0] in ids_of(named.agents)
    assert agents.get_endpoint_agents(use_all_permitted_aids=True).total_agents == 20


def test_filtered_agents(agents: Any) -> None:
    """A search finds the agents that match all of its filters, page by page."""
    everything = list(agents.get_endpoint_agents_paginated())
    expected = [agent.id for agent in everything if agent.platform is AgentPlatform.LINUX]
    search = AgentSearchRequest(search_filters=AgentSearchFilters(platform=[AgentPlatform.LINUX]))
    found = agents.filter_endpoint_agents_paginated(max=2, agent_search_request=search)
    assert ids_of(found) == expected
    assert agents.filter_endpoint_agents(agent_search_request=search).total_agents == len(expected)
    everyone = agents.filter_endpoint_agents(agent_search_request=AgentSearchRequest())
    assert everyone.total_agents == len(everything)


def test_changes_of_an_agent(fleet: Fleet, agents: Any) -> None:
    """Named, disabled, enabled, moved, moved back, deleted: and then there are fewer."""
    agent_id = agents.get_endpoint_agents(max=1).agents[0].id
    transfers = EndpointAgentsTransferApi(fleet.sdk())
    update = EndpointAgentUpdate(name="reception")
    assert agents.update_endpoint_agent(agent_id=agent_id, endpoint_agent_update=update).name == "reception"
    assert agents.disable_endpoint_agent(agent_id=agent_id).status.value == "disabled"
    assert agents.enable_endpoint_agent(agent_id=agent_id).status.value == "enabled"
    transfers.transfer_endpoint_agent(
        agent_id=agent_id, aid="1", agent_transfer_request=AgentTransferRequest(to_aid=fleet.other_aid)
    )
    moved = agents.get_endpoint_agent(agent_id=agent_id, aid=fleet.other_aid)
    assert (moved.name, moved.aid) == ("reception", fleet.other_aid)
    transfers.transfer_endpoint_agent(
        agent_id=agent_id, aid=fleet.other_aid, agent_transfer_request=AgentTransferRequest(to_aid="1")
    )
    agents.delete_endpoint_agent(agent_id=agent_id)
    with pytest.raises(NotFoundException):
        agents.get_endpoint_agent(agent_id=agent_id)
    assert agents.get_endpoint_agent(agent_id=agent_id, include_deleted=True).deleted
    assert agents.get_endpoint_agents().total_agents == 19
    assert agents.get_endpoint_agents(include_deleted=True).total_agents == 20


def test_a_bulk_transfer(fleet: Fleet, agents: Any) -> None:
    """Each transfer has its own status. The SDK leaves ``agentId`` out: those are refused one by one."""
    agent_id = agents.get_endpoint_agents(max=1).agents[0].id
    there = AgentTransfer(agent_id=agent_id, from_aid="1", to_aid=fleet.other_aid)
    answer = EndpointAgentsTransferApi(fleet.sdk()).transfer_endpoint_agents(
        bulk_agent_transfer_request=BulkAgentTransferRequest(transfers=[there])
    )
    assert [item.status for item in answer.items] == [400]
    assert "agentId" in answer.items[0].detail
    named = {"agentId": agent_id, "fromAid": "1", "toAid": fleet.other_aid}
    statuses = [
        _bulk(fleet, [named, named | {"toAid": "999"}]),
        _bulk(fleet, [{"agentId": agent_id, "fromAid": fleet.other_aid, "toAid": "1"}]),
    ]
    assert statuses == [[202, 400], [202]]


def _bulk(fleet: Fleet, transfers: list[dict[str, str]]) -> list[int]:
    """Transfers as another client sends them; what became of each."""
    request = urllib.request.Request(
        f"{fleet.url}/v7/endpoint/agents/transfer/bulk",
        data=json.dumps({"transfers": transfers}).encode(),
        headers={"Authorization": f"Bearer {fleet.token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return [item["status"] for item in json.load(answer)["items"]]


def test_account_groups(fleet: Fleet, groups: Any) -> None:
    """Those of the user; one with its users; one added, named and deleted again."""
    listed = groups.get_account_groups()
    assert not unknown_fields(listed)
    assert [each.aid for each in listed.account_groups] == ["1", fleet.other_aid]
    one = groups.get_account_group(id="1", expand=[ExpandAccountGroupOptions.USER])
    assert not unknown_fields(one)
    assert {member.email for member in one.users} >= {"ann@example.com", "bob@example.com"}
    wanted = AccountGroupRequest(account_group_name="Branch")
    made = groups.create_account_group(account_group_request=wanted)
    assert not unknown_fields(made)
    assert (made.account_group_name, made.org_id) == ("Branch", one.org_id)
    wanted = AccountGroupRequest(account_group_name="Office")
    named = groups.update_account_group(id=made.aid, account_group_request=wanted)
    assert (named.aid, named.account_group_name) == (made.aid, "Office")
    with pytest.raises(ApiException) as conflict:
        groups.delete_account_group(id="1")
    assert conflict.value.status == 409
    groups.delete_account_group(id=made.aid)
    assert len(groups.get_account_groups().account_groups) == 2
    with pytest.raises(ForbiddenException):
        AccountGroupsApi(fleet.sdk(fleet.reader)).create_account_group(account_group_request=wanted)


def test_a_connection_string(fleet: Fleet, agents: Any) -> None:
    """It lets an agent in; a regular user gets none."""
    string = agents.get_endpoint_agents_connection_string(aid=fleet.other_aid).connection_string
    hopsight("simulate", "--connection-string", string, "--agents", "1", "--hours", "0.05")
    assert agents.get_endpoint_agents(aid=fleet.other_aid).total_agents == 1
    with pytest.raises(ForbiddenException):
        EndpointAgentsApi(fleet.sdk(fleet.reader)).get_endpoint_agents_connection_string()


def test_errors_are_the_sdk_s(fleet: Fleet, tests: Any) -> None:
    """Each error is read into its model: problem documents, with the field that was wrong."""
    with pytest.raises(BadRequestException) as bad:
        tests.filter_real_user_tests_results(window="0s")
    assert (bad.value.data.status, bad.value.data.errors[0].var_field) == (400, "window")
    with pytest.raises(NotFoundException) as missing:
        tests.get_real_user_test_results(id="00001:1490529480:aVDViw0i")
    assert missing.value.data.status == 404
    assert missing.value.data.instance.endswith("00001:1490529480:aVDViw0i")
    stranger = RealUserEndpointTestResultsApi(fleet.sdk("wrong"))
    with pytest.raises(UnauthorizedException) as refused:
        stranger.filter_real_user_tests_results()
    assert refused.value.data.error == "invalid_token"


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """An application behind a real server in a thread; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def test_the_sdk_waits_when_it_is_told_to(limited: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the limit, the SDK sleeps for as long as our headers say, asks again, and gets its answer."""
    waits: list[float] = []

    def sleep_on_our_clock(self: Retry, response: Any = None) -> None:
        waits.append(self.get_retry_after(response) or 0.0)
        limited.clock.advance(waits[-1])

    monkeypatch.setattr(Retry, "sleep", sleep_on_our_clock)
    with listening(limited.app) as url:
        sdk = ApiClient(Configuration(host=f"{url}/v7", access_token=limited.tokens[Role.USER]))
        answers = [AccountGroupsApi(sdk).get_account_groups() for _ in range(12)]
        assert all(answer.account_groups[0].aid == "7625" for answer in answers)
        assert len(waits) == 2
        assert all(0 < wait <= 60 for wait in waits)
        for _ in range(3):
            AccountGroupsApi(sdk).get_account_groups()
        monkeypatch.setattr(Retry, "sleep", lambda *_: None)
        with pytest.raises(ApiException) as refused:
            AccountGroupsApi(sdk).get_account_groups()
    # Whoever does not wait is told again.
    assert refused.value.status == 429
    assert refused.value.data.detail.startswith("Over the limit of 5 requests a minute")


def test_every_method_is_used() -> None:
    """No method of these classes is without a test here."""
    text = Path(__file__).read_text(encoding="utf-8")
    for each in SDK_CLASSES:
        for name in vars(each):
            if name.startswith("_") or name.endswith(("_with_http_info", "_without_preload_content")):
                continue
            assert name.removesuffix("_paginated") in text, f"{each.__name__}.{name}"
