"""Pages of one maintenance window: a form for administrators, and for everybody who would have failed."""

import html
import re
from typing import Any

import pytest
from tests.server.web.test_rule_pages import RULE, last_event, page_of, sent

from hopsight.model.accounts import Role
from hopsight.model.alerts import AlertFilter, MaintenanceWindow
from hopsight.testing import ROUND_ID

pytestmark = pytest.mark.anyio

START_S, END_S = 1_896_127_200, 1_896_141_600
WINDOW = MaintenanceWindow(
    name="Firmware",
    start_s=START_S,
    end_s=END_S,
    weekly=True,
    filters=(AlertFilter("ssid", ("Office", "Lab")),),
)
FIELDS = {
    "name": "Firmware", "start": "2030-01-31 22:00", "end": "2030-02-01 02:00:00", "weekly": "yes",
    "filterKey": ["ssid", ""], "filterValues": ["Office\r\nLab", ""],
}  # fmt: skip


def added(server: Any) -> int:
    """The window, stored; its ID."""
    return int(server.accounts.alerts.rules.add_window(server.aid, WINDOW))


def windows_of(server: Any) -> list[MaintenanceWindow]:
    """What is stored."""
    return [each.window for each in server.accounts.alerts.rules.windows(server.aid)]


async def test_a_form_plans_maintenance(server: Any) -> None:
    """Seconds may be left out; the audit log says who."""
    answer = await sent(server, "/alerts/maintenance/new", FIELDS)
    assert answer.status_code == 303, answer.text
    assert windows_of(server) == [WINDOW]
    assert last_event(server) == ("Maintenance window created", "account-admin@example.com")
    page = (await page_of(server, answer.headers["location"])).text
    assert "The maintenance is planned." in page
    assert "Weekly from 2030-01-31 22:00:00 for 4 h, not on now" in page


async def test_a_window_is_changed_and_deleted(server: Any) -> None:
    """Its own form writes it anew; deleting asks first."""
    where = f"/alerts/maintenance/{added(server)}"
    fields = FIELDS | {"name": "Night", "weekly": "", "filterKey": "", "filterValues": ""}
    assert (await sent(server, where, fields)).status_code == 303
    assert windows_of(server) == [MaintenanceWindow(name="Night", start_s=START_S, end_s=END_S)]
    assert last_event(server) == ("Maintenance window updated", "account-admin@example.com")
    assert "Delete the maintenance window Night?" in (await page_of(server, f"{where}/delete")).text
    assert (await sent(server, f"{where}/delete", {})).status_code == 303
    assert windows_of(server) == []
    assert last_event(server) == ("Maintenance window deleted", "account-admin@example.com")


@pytest.mark.parametrize("role", [Role.USER, Role.ACCOUNT_ADMIN])
async def test_its_page_lists_what_it_suppressed(server: Any, role: Role) -> None:
    """Whoever may read sees agent, rule and times."""
    window_id, rules = added(server), server.accounts.alerts.rules
    rule = rules.get(server.aid, rules.add(server.aid, RULE))
    rules.suppress(window_id, rule, ["agent-c"], ROUND_ID)
    rules.suppress(window_id, rule, ["agent-c"], ROUND_ID + 60)
    page = (await page_of(server, f"/alerts/maintenance/{window_id}", role)).text
    row = re.search(r'<th scope="row">agent-c</th>.*', page)
    assert row is not None
    assert re.findall(r"<td>(?:<time>)?([^<]+)", row[0]) == [
        "Slow", "2017-03-26 11:58:00", "2017-03-26 11:59:00",
    ]  # fmt: skip
    assert ("<form" in page.partition("<main")[2]) == (role is Role.ACCOUNT_ADMIN)


@pytest.mark.parametrize(
    ("field", "changes", "words"),
    [
        ("name", {"name": ""}, "1 to 255 characters"),
        ("start", {"start": "tomorrow"}, "YYYY-mm-dd HH:MM"),
        ("end", {"end": "2030-02-30 02:00"}, "YYYY-mm-dd HH:MM"),
        ("end", {"end": "2030-01-31 22:00:00"}, "a time after 2030-01-31 22:00"),
        ("end", {"end": "2030-02-09 22:00:00"}, "a week at most"),
        ("filters", {"filterKey": "ssid", "filterValues": ""}, "one or more, one a line"),
    ],
)
async def test_an_error_is_beside_its_field_and_what_was_typed_stays(
    server: Any, field: str, changes: dict[str, str], words: str
) -> None:
    """Nothing is stored; the form comes back as it was typed."""
    answer = await sent(server, "/alerts/maintenance/new", FIELDS | {"name": "A > B"} | changes)
    page = html.unescape(answer.text)
    assert answer.status_code == 400
    assert windows_of(server) == []
    said = re.search(rf'id="{field}-error">([^<]+)<', page)
    assert said is not None
    assert words in said[1]
    assert "name" in changes or 'value="A > B"' in page
    assert f'value="{changes.get("end", FIELDS["end"])}"' in page


async def test_another_row_is_asked_for_without_saving(server: Any) -> None:
    """Without scripts a button gives the form back with a row more, and stores nothing."""
    answer = await sent(server, "/alerts/maintenance/new", FIELDS | {"more": "filters"})
    assert answer.status_code == 200
    assert answer.text.count('name="filterKey"') == 3
    assert windows_of(server) == []


@pytest.mark.parametrize("path", ["new", "{}", "{}/delete"])
async def test_only_writers_write_and_only_from_our_pages(server: Any, path: str) -> None:
    """A regular user, and a form without its token, are refused."""
    where = f"/alerts/maintenance/{path.format(added(server))}"
    assert (await sent(server, where, FIELDS | {"name": "Other"}, Role.USER)).status_code == 403
    assert (await sent(server, where, FIELDS | {"name": "Other"}, csrf="x")).status_code == 403
    assert windows_of(server) == [WINDOW]


async def test_a_window_of_others_is_not_there(server: Any) -> None:
    """IDs of another organization are not found, to be read or written."""
    org_id = server.accounts.create_organization("Elsewhere")
    theirs = server.accounts.create_account_group("Sandbox", org_id)
    window_id = server.accounts.alerts.rules.add_window(theirs, WINDOW)
    assert (await page_of(server, f"/alerts/maintenance/{window_id}")).status_code == 404
    assert (await sent(server, f"/alerts/maintenance/{window_id}", FIELDS)).status_code == 404
    assert (await sent(server, f"/alerts/maintenance/{window_id}/delete", {})).status_code == 404
    assert server.accounts.alerts.rules.window(theirs, window_id).window == WINDOW


@pytest.mark.parametrize(("text", "status"), [("99999", 404), ("x", 400)])
async def test_a_window_that_is_not_there(server: Any, text: str, status: int) -> None:
    """Refused as a page, never a fault."""
    assert (await page_of(server, f"/alerts/maintenance/{text}")).status_code == status
