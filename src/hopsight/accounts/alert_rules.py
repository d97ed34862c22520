"""Alert rules and maintenance windows, as administrators write them. Changes are in the audit log."""

from collections.abc import Collection
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, and_, delete, func, insert, select, update

from hopsight.accounts import organizations, outbox
from hopsight.accounts.alert_checks import checked_rule, checked_window
from hopsight.accounts.alert_listings import StoredRule, StoredWindow, Suppressed
from hopsight.accounts.alert_recipients import secrets_of, with_secrets, without_secrets
from hopsight.accounts.alert_tables import alert_rules, maintenance_windows, suppressed
from hopsight.accounts.audit import CONSOLE, Actor, Change, Resource
from hopsight.accounts.database import Database
from hopsight.clock import Clock
from hopsight.errors import ConflictError, NotFoundError
from hopsight.model.alerts import AlertRule, MaintenanceWindow

MAX_RULES: Final = 200
"""In one account group: each is held against every round."""
MAX_WINDOWS: Final = 1_000

_encode: Final = msgspec.json.encode
_rules: Final = msgspec.json.Decoder(AlertRule)
_windows: Final = msgspec.json.Decoder(MaintenanceWindow)
_secrets: Final = msgspec.json.Decoder(dict[str, str])


class AlertRules:
    """Rules and maintenance windows of all account groups; raises as ``Accounts`` does."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, aid: int, rule: AlertRule, by: Actor = CONSOLE) -> int:
        """Add a rule; its ID."""
        checked = checked_rule(rule, {})
        with self._database.write(changes_rights=False) as connection:
            organizations.require_group(connection, aid)
            _refuse_too_many(connection, alert_rules, aid, MAX_RULES)
            made = insert(alert_rules).values(aid=aid, **_columns(checked))
            rule_id: int = connection.execute(made.returning(alert_rules.c.rule_id)).scalar_one()
            self._note(connection, aid, "Alert rule created", _named(rule_id, checked), by)
        return rule_id

    def change(self, aid: int, rule_id: int, rule: AlertRule, by: Actor = CONSOLE) -> None:
        """Write a rule anew; a recipient that is given without its secret keeps the one it has."""
        with self._database.write(changes_rights=False) as connection:
            row = _require(connection, alert_rules, aid, rule_id)
            checked = checked_rule(rule, _secrets.decode(row.secrets))
            found = alert_rules.c.rule_id == rule_id
            connection.execute(update(alert_rules).where(found).values(**_columns(checked)))
            outbox.drop_former(connection, rule_id, checked)
            self._note(connection, aid, "Alert rule updated", _named(rule_id, checked), by)

    def remove(self, aid: int, rule_id: int, by: Actor = CONSOLE) -> None:
        """Delete a rule; its incidents stay, and those that go on are resolved with the next round.

        What waits to be told of them goes with it.
        """
        with self._database.write(changes_rights=False) as connection:
            rule = _rules.decode(_require(connection, alert_rules, aid, rule_id).document)
            connection.execute(delete(alert_rules).where(alert_rules.c.rule_id == rule_id))
            self._note(connection, aid, "Alert rule deleted", _named(rule_id, rule), by)

    def listing(self, aid: int | None = None) -> list[StoredRule]:
        """Rules by ID: all, or those of an account group."""
        query = select(alert_rules).order_by(alert_rules.c.rule_id)
        if aid is not None:
            query = query.where(alert_rules.c.aid == aid)
        with self._database.read() as connection:
            return [_rule(row) for row in connection.execute(query)]

    def get(self, aid: int, rule_id: int) -> StoredRule:
        """One rule.

        Raises:
            NotFoundError: the account group has no such rule.
        """
        with self._database.read() as connection:
            return _rule(_require(connection, alert_rules, aid, rule_id))

    def note_trial(self, aid: int, rule_id: int, by: Actor) -> None:
        """Note in the audit log that somebody lets a rule's recipients be told a test message."""
        with self._database.write(changes_rights=False) as connection:
            rule = _rules.decode(_require(connection, alert_rules, aid, rule_id).document)
            self._note(connection, aid, "Alert rule tested", _named(rule_id, rule), by)

    def add_window(self, aid: int, window: MaintenanceWindow, by: Actor = CONSOLE) -> int:
        """Add a maintenance window; its ID."""
        checked = checked_window(window)
        with self._database.write(changes_rights=False) as connection:
            organizations.require_group(connection, aid)
            _refuse_too_many(connection, maintenance_windows, aid, MAX_WINDOWS)
            made = insert(maintenance_windows).values(aid=aid, document=_encode(checked).decode())
            window_id: int = connection.execute(made.returning(maintenance_windows.c.window_id)).scalar_one()
            self._note(connection, aid, "Maintenance window created", _window_named(window_id, checked), by)
        return window_id

    def change_window(self, aid: int, window_id: int, window: MaintenanceWindow, by: Actor = CONSOLE) -> None:
        """Write a maintenance window anew."""
        checked = checked_window(window)
        with self._database.write(changes_rights=False) as connection:
            _require(connection, maintenance_windows, aid, window_id)
            found = maintenance_windows.c.window_id == window_id
            connection.execute(
                update(maintenance_windows).where(found).values(document=_encode(checked).decode())
            )
            self._note(connection, aid, "Maintenance window updated", _window_named(window_id, checked), by)

    def remove_window(self, aid: int, window_id: int, by: Actor = CONSOLE) -> None:
        """Delete a maintenance window, and the list of what it suppressed."""
        with self._database.write(changes_rights=False) as connection:
            row = _require(connection, maintenance_windows, aid, window_id)
            window = _windows.decode(row.document)
            connection.execute(
                delete(maintenance_windows).where(maintenance_windows.c.window_id == window_id)
            )
            self._note(connection, aid, "Maintenance window deleted", _window_named(window_id, window), by)

    def windows(self, aid: int) -> list[StoredWindow]:
        """Maintenance windows of an account group, by ID."""
        table = maintenance_windows
        with self._database.read() as connection:
            rows = connection.execute(select(table).where(table.c.aid == aid).order_by(table.c.window_id))
            return [_window(row) for row in rows]

    def window(self, aid: int, window_id: int) -> StoredWindow:
        """One maintenance window.

        Raises:
            NotFoundError: the account group has no such window.
        """
        with self._database.read() as connection:
            return _window(_require(connection, maintenance_windows, aid, window_id))

    def suppressed_by(self, window_id: int) -> list[Suppressed]:
        """What a window suppressed, in the order in which it began."""
        query = select(suppressed).where(suppressed.c.window_id == window_id)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(suppressed.c.first_s, suppressed.c.agent_id)).mappings()
            return [
                Suppressed(**{name: value for name, value in row.items() if name != "window_id"})
                for row in rows
            ]

    def suppress(self, window_id: int, rule: StoredRule, agent_ids: Collection[str], time_s: int) -> None:
        """Note that these agents fail a rule in a window, and that nobody is told."""
        with self._database.write(changes_rights=False) as connection:
            for agent_id in agent_ids:
                key = {"window_id": window_id, "rule_id": rule.rule_id, "agent_id": agent_id}
                where = and_(*(suppressed.c[name] == value for name, value in key.items()))
                done = connection.execute(update(suppressed).where(where).values(last_s=time_s))
                if not done.rowcount:
                    times = {"first_s": time_s, "last_s": time_s}
                    connection.execute(insert(suppressed).values(**key, rule_name=rule.rule.name, **times))

    def _note(self, connection: Connection, aid: int, event: str, resource: Resource, by: Actor) -> None:
        organizations.note(connection, aid, event, [resource], Change(by, int(self._clock.now())))


def _columns(rule: AlertRule) -> dict[str, str]:
    return {
        "document": _encode(without_secrets(rule)).decode(),
        "secrets": _encode(secrets_of(rule)).decode(),
    }


def _rule(row: Any) -> StoredRule:
    rule = with_secrets(_rules.decode(row.document), _secrets.decode(row.secrets))
    return StoredRule(rule_id=row.rule_id, aid=row.aid, rule=rule)


def _window(row: Any) -> StoredWindow:
    return StoredWindow(window_id=row.window_id, aid=row.aid, window=_windows.decode(row.document))


def _require(connection: Connection, table: Any, aid: int, number: int) -> Any:
    key = next(iter(table.primary_key))
    row = connection.execute(select(table).where(key == number, table.c.aid == aid)).first()
    if row is None:
        what = "alert rule" if table is alert_rules else "maintenance window"
        raise NotFoundError(f"This account group has no {what} {number}")
    return row


def _refuse_too_many(connection: Connection, table: Any, aid: int, most: int) -> None:
    count = select(func.count()).select_from(table).where(table.c.aid == aid)
    if connection.execute(count).scalar_one() >= most:
        raise ConflictError(f"Account group {aid} has {most} of them already; delete some first")


def _named(rule_id: int, rule: AlertRule) -> Resource:
    return Resource(type="alert rule", name=f"{rule.name} ({rule_id})")


def _window_named(window_id: int, window: MaintenanceWindow) -> Resource:
    return Resource(type="maintenance window", name=f"{window.name} ({window_id})")
