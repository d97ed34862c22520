"""What administrators call networks, and where they are. Changes are in the audit log."""

import math
import re
from collections.abc import Mapping
from typing import Final

from msgspec import structs
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, select, update

from hopsight.accounts import organizations, schema
from hopsight.accounts.audit import CONSOLE, Actor, Change, Resource
from hopsight.accounts.cache import RevisionCache
from hopsight.accounts.checks import checked_name
from hopsight.accounts.database import Database
from hopsight.accounts.listings import NetworkName
from hopsight.clock import Clock
from hopsight.errors import ConflictError, InvalidValueError, NotFoundError
from hopsight.model.topology import NETWORK_ID_PATTERN

MAX_NAMES: Final = 10_000
"""In one account group: all of them are kept in memory."""

_table = schema.network_names
_network_id: Final = re.compile(NETWORK_ID_PATTERN, re.ASCII)
_MAX_LATITUDE: Final = 90.0
_MAX_LONGITUDE: Final = 180.0


class NetworkNames:
    """Named networks of all account groups; may raise ``StoreUnavailableError``, as all of ``Accounts``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._found = RevisionCache[int, dict[str, NetworkName]]()

    def set(self, name: NetworkName, by: Actor = CONSOLE) -> None:
        """Say where a network is, for records from now on; what is not given stays as it was said before.

        Raises:
            InvalidValueError: a value is wrong, or none is given.
            NotFoundError: there is no such account group.
            ConflictError: it has as many named networks as it may.
        """
        checked = _checked(name)
        with self._database.write() as connection:
            _set(connection, checked, Change(by, int(self._clock.now())))

    def remove(self, aid: int, network_id: str, by: Actor = CONSOLE) -> None:
        """Say nothing of a network any more.

        Raises:
            NotFoundError: nothing was said of it.
        """
        with self._database.write() as connection:
            _remove(connection, aid, network_id.lower(), Change(by, int(self._clock.now())))

    def listing(self, aid: int | None = None) -> list[NetworkName]:
        """Named networks by account group and ID: all, or those of one account group."""
        query = select(_table).order_by(_table.c.aid, _table.c.network_id)
        if aid is not None:
            query = query.where(_table.c.aid == aid)
        with self._database.read() as connection:
            return [NetworkName(**row) for row in connection.execute(query).mappings()]

    def by_id(self, aid: int) -> Mapping[str, NetworkName]:
        """Those of an account group by ID. Asked for every upload, so kept until something changes."""
        found = self._found.get(aid, self._database.current_revision())
        if found is None:
            found = {name.network_id: name for name in self.listing(aid)}
            self._found.put(aid, found)
        return found


def _set(connection: Connection, name: NetworkName, change: Change) -> None:
    organizations.require_group(connection, name.aid)
    values = {key: value for key, value in structs.asdict(name).items() if value is not None}
    if _find(connection, name.aid, name.network_id) is None:
        held = select(func.count()).select_from(_table).where(_table.c.aid == name.aid)
        if connection.execute(held).scalar_one() >= MAX_NAMES:
            raise ConflictError(f"Account group {name.aid} has {MAX_NAMES} named networks; unname some first")
        connection.execute(insert(_table).values(**values))
    else:
        connection.execute(update(_table).where(_is(name.aid, name.network_id)).values(**values))
    _note(connection, "Network named", name, change)


def _remove(connection: Connection, aid: int, network_id: str, change: Change) -> None:
    row = _find(connection, aid, network_id)
    if row is None:
        raise NotFoundError(f"Account group {aid} has no named network {network_id}")
    connection.execute(delete(_table).where(_is(aid, network_id)))
    name = NetworkName(aid=aid, network_id=network_id, location=row.location)
    _note(connection, "Network unnamed", name, change)


def _checked(given: NetworkName) -> NetworkName:
    network_id = given.network_id.lower()
    if not _network_id.fullmatch(network_id):
        raise InvalidValueError("network ID", given.network_id, "12 hexadecimal digits")
    place = (given.location, given.latitude, given.longitude, given.org_name)
    if all(value is None for value in place):
        raise InvalidValueError("name of a network", "none", "a location, coordinates or an organization")
    if (given.latitude is None) != (given.longitude is None):
        raise InvalidValueError("coordinates", "one of the two", "latitude and longitude")
    return structs.replace(
        given,
        network_id=network_id,
        location=None if given.location is None else checked_name(given.location, "location"),
        org_name=None if given.org_name is None else checked_name(given.org_name, "organization name"),
        latitude=_degrees("latitude", given.latitude, _MAX_LATITUDE),
        longitude=_degrees("longitude", given.longitude, _MAX_LONGITUDE),
    )


def _degrees(what: str, value: float | None, most: float) -> float | None:
    if value is not None and not (math.isfinite(value) and abs(value) <= most):
        raise InvalidValueError(what, value, f"degrees from {-most:g} to {most:g}")
    return value


def _is(aid: int, network_id: str) -> ColumnElement[bool]:
    return and_(_table.c.aid == aid, _table.c.network_id == network_id)


def _find(connection: Connection, aid: int, network_id: str) -> Row[tuple[object, ...]] | None:
    return connection.execute(select(_table).where(_is(aid, network_id))).first()


def _note(connection: Connection, event: str, name: NetworkName, change: Change) -> None:
    named = name.network_id if name.location is None else f"{name.location} ({name.network_id})"
    organizations.note(connection, name.aid, event, [Resource(type="network", name=named)], change)
