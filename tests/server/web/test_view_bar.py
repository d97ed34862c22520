"""What a page looks at, on top of it: the same everywhere, and nothing else of the page is lost."""

from typing import Any

import pytest
from tests.server.web.signing_in import tree
from tests.server.web.test_agents import NOW, enrol, measure

from hopsight.model.accounts import Role

pytestmark = pytest.mark.anyio

NETWORK = "0123456789ab"


@pytest.fixture
async def paths(server: Any) -> list[str]:
    """Pages of an agent's hour."""
    server.clock.advance(NOW - server.clock.now())
    agent_id = enrol(server, "laptop")
    await measure(server, agent_id, range(1, 10), network_id=NETWORK, ssid="Office")
    lists = ["/", "/ranks?by=ssid&order=loss", "/agents?name=laptop", "/networks?order=sessions", "/paths"]
    return [*lists, f"/agents/{agent_id}", f"/networks/{NETWORK}"]


async def shown(client: Any, path: str) -> Any:
    """The page behind a path."""
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return tree(answer)


async def test_every_page_takes_a_range_and_gives_filters_back(client: Any, paths: list[str]) -> None:
    """Fields from and to, a link for each window, a chip for each filter; all keep the page's own choices."""
    for path in paths:
        page, _, own = path.partition("?")
        bar = await shown(client, f"{page}?{own}&window=1h&ssid=Office".replace("?&", "?"))
        fields = {
            each.get("name"): each.get("value")
            for each in bar.xpath("//form[@class='range']//input[@id or @type='hidden']")
        }
        assert fields["from"].startswith("2020-09-13 "), path
        links = (
            bar.xpath("//nav[@aria-label='Time range']/a/@href") + bar.xpath("//a[@class='chip']/@href")[:1]
        )
        assert len(links) > 3, path
        for name, value in (each.split("=") for each in own.split("&") if each):
            assert all(f"{name}={value}" in link for link in links), path
        assert "ssid=Office" in links[0], path
        assert "ssid=Office" not in links[-1], path


async def test_what_is_filled_in_is_what_is_shown(client: Any, paths: list[str]) -> None:
    """A range by its fields is the range of the page, which says it again."""
    for path in paths:
        mark = "&" if "?" in path else "?"
        bar = await shown(client, f"{path}{mark}from=2020-09-13 23:10:00&to=2020-09-13 23:55:00")
        assert bar.xpath("string(//input[@id='from']/@value)") == "2020-09-13 23:10:00", path
        assert bar.xpath("string(//input[@id='to']/@value)") == "2020-09-13 23:55:00", path
        assert not bar.xpath("//nav[@aria-label='Time range']/a[@aria-current]"), path


async def test_who_has_several_account_groups_chooses_on_every_list(server: Any, paths: list[str]) -> None:
    """The pages of one agent or network stay with the group that it is of."""
    other = server.accounts.create_account_group("Other", 1)
    server.accounts.create_user("both@example.com", Role.USER, [server.aid, other])
    async with server.client(server.accounts.create_token("both@example.com")) as client:
        for path in paths:
            mark = "&" if "?" in path else "?"
            bar = await shown(client, f"{path}{mark}aid={server.aid}")
            is_list = path in paths[:-2]
            assert len(bar.xpath("//select[@id='aid']/option")) == (2 if is_list else 0), path
