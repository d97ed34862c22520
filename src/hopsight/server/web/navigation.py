"""The pages that every page links to, in their order."""

from typing import Final

from msgspec import Struct

from hopsight.model.accounts import Role
from hopsight.server.api.acting import WRITERS


class NavigationItem(Struct, frozen=True):
    """A page: its path, what it is called, and whether it is for administrators alone."""

    path: str
    label: str
    writers_only: bool = False


# One row for each page that is served; the view (account group, time, filters) goes along in the link.
NAVIGATION: Final[tuple[NavigationItem, ...]] = (
    NavigationItem("/", "Overview"),
    NavigationItem("/agents", "Agents"),
    NavigationItem("/networks", "Networks"),
    NavigationItem("/paths", "Paths"),
    NavigationItem("/alerts", "Alerts"),
    NavigationItem("/report", "Report"),
    NavigationItem("/last-round", "Last round"),
    NavigationItem("/admin", "Admin", writers_only=True),
)


def navigation_for(role: Role) -> list[NavigationItem]:
    """The rows that somebody with this role may follow."""
    return [item for item in NAVIGATION if role in WRITERS or not item.writers_only]
