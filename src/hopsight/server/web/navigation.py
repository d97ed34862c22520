"""The pages that every page links to, in their order."""

from typing import Final

from msgspec import Struct


class NavigationItem(Struct, frozen=True):
    """A page: its path, and what it is called."""

    path: str
    label: str


# One row for each page that is served; the view (account group, time, filters) goes along in the link.
NAVIGATION: Final[tuple[NavigationItem, ...]] = (
    NavigationItem("/", "Overview"),
    NavigationItem("/agents", "Agents"),
    NavigationItem("/networks", "Networks"),
    NavigationItem("/paths", "Paths"),
    NavigationItem("/alerts", "Alerts"),
    NavigationItem("/last-round", "Last round"),
)
