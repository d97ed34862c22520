"""Which tables there are, by the page that shows them; each is read as the page reads it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from hopsight.server.web.export import (
    alert_tables,
    fleet_tables,
    path_tables,
    session_tables,
    tables_of_one,
)
from hopsight.server.web.export.csv_writing import Table
from hopsight.server.web.visitor import Visitor

ReadTable = Callable[[Visitor], Awaitable[Table]]

TABLES: Final[Mapping[str, Mapping[str, ReadTable]]] = {
    "overview": fleet_tables.OVERVIEW,
    "ranks": fleet_tables.RANKS,
    "agents": fleet_tables.AGENTS,
    "agent": tables_of_one.AGENT,
    "networks": fleet_tables.NETWORKS,
    "network": tables_of_one.NETWORK,
    "paths": path_tables.PATHS,
    "session": session_tables.SESSION,
    "last-round": session_tables.LAST_ROUND,
    "alerts": alert_tables.ALERTS,
    "incident": alert_tables.INCIDENT,
}
