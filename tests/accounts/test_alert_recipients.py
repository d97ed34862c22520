"""Who a rule tells: what is accepted, and what is never shown again."""

import msgspec
import pytest
from msgspec import structs

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.alert_recipients import recipient_names, without_secrets
from hopsight.errors import InvalidValueError
from hopsight.model.alerts import AlertRule, ChatService, Webhook

RULE = AlertRule(name="Slow", metric="latency", threshold=150.0)
SECRET_URL = "slack://T00000000/B00000000/s3cr3ts3cr3ts3cr3ts3cr3t"


@pytest.fixture
def aid(accounts: Accounts) -> int:
    return accounts.create_account_group("Main", accounts.create_organization("One"))


def service(url: str | None, label: str = "Ops") -> ChatService:
    return ChatService(label=label, url=url)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        (SECRET_URL, "slack"),
        ("mmosts://chat.example.com:8443/path/token", "mmosts"),
        ("discord://bot@4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?thread=1", "discord"),
        ("ntfy://mytopic", "ntfy"),
        ("rocket://user:password@[2001:db8::1]:3000/%23ops", "rocket"),
    ],
)
def test_a_service_is_called_by_label_and_kind(accounts: Accounts, aid: int, url: str, kind: str) -> None:
    """The kind is the URL's schema, whatever was given, and the URL comes back whole for who tells."""
    given = ChatService(label=" Ops ", kind="discord", url=url)
    rule_id = accounts.alerts.rules.add(aid, structs.replace(RULE, services=(given,)))
    stored = accounts.alerts.rules.get(aid, rule_id).rule
    assert stored.services == (ChatService(label="Ops", kind=kind, url=url),)
    assert recipient_names(stored) == [f"Ops ({kind})"]


@pytest.mark.parametrize(
    "url",
    [
        "json://example.com/s3cr3t", "xmls://example.com/s3cr3t", "form://example.com/s3cr3t",
        "syslog://s3cr3t-name", "mailto://user:s3cr3t@example.com", "dbus://s3cr3t-name",
        "https://hooks.slack.com/services/s3cr3t", "file:///etc/s3cr3t", "SLACK://T/B/s3cr3t",
        "slack://T/B/s3cr3t, json://127.0.0.1/", "slack://T/B/s3cr3t json://127.0.0.1/",
        "workflows://host/s3cr3t/x?template=/etc/passwd", "ntfy://host/s3cr3t?attach=http://127.0.0.1/",
        "mmost://host/s3cr3t?verify=no", "mmost://host/s3cr3t?redirect=yes", "mmost://host/s3cr3t?+X-Y=z",
        "mmost://host/s3cr3t?channel=a;verify=no", "mmost://host/s3cr3t?channel=a?verify=no",
        "mmost://host:99999/s3cr3t", "mmost:///path/s3cr3t", "mmost://hóst/s3cr3t", "mmost://host/s3cr3t\n", "mmost://host/s3cr3t#x",
    ],
)  # fmt: skip
def test_what_is_no_known_service_is_refused_without_being_repeated(
    accounts: Accounts, aid: int, url: str
) -> None:
    """Only services of the list, one URL at a time, without what would change whom it talks to."""
    with pytest.raises(InvalidValueError) as caught:
        accounts.alerts.rules.add(aid, structs.replace(RULE, services=(service(url),)))
    assert "s3cr3t" not in f"{caught.value} {caught.value.value}"
    assert accounts.alerts.rules.listing(aid) == []


def test_a_service_without_its_url_keeps_the_one_it_has(accounts: Accounts, aid: int) -> None:
    """Also when its label moves in the list; a label that is new needs one."""
    rules = accounts.alerts.rules
    rule_id = rules.add(aid, structs.replace(RULE, services=(service(SECRET_URL),)))
    shown = without_secrets(rules.get(aid, rule_id).rule)
    assert SECRET_URL not in repr(shown)
    more = (service("ntfy://mytopic", "Phone"), *shown.services)
    rules.change(aid, rule_id, structs.replace(shown, services=more))
    kept = {each.label: each.url for each in rules.get(aid, rule_id).rule.services}
    assert kept == {"Phone": "ntfy://mytopic", "Ops": SECRET_URL}
    with pytest.raises(InvalidValueError, match="service URL"):
        rules.change(aid, rule_id, structs.replace(RULE, services=(service(None, "New"),)))


def test_secrets_of_webhooks_and_services_do_not_mix(accounts: Accounts, aid: int) -> None:
    """A label that looks like a webhook's URL gives that webhook's secret to nobody."""
    hook = Webhook(url="https://chat.example.com/x", secret="correct horse")
    rules = accounts.alerts.rules
    both = structs.replace(RULE, webhooks=(hook,), services=(service(SECRET_URL, hook.url),))
    stored = rules.get(aid, rules.add(aid, both)).rule
    assert stored.webhooks == (hook,)
    assert stored.services[0].url == SECRET_URL
    with pytest.raises(InvalidValueError, match="service URL"):
        rules.change(aid, 1, structs.replace(RULE, services=(service(None, "correct horse"),)))


def test_addresses_keep_their_case_and_come_once(accounts: Accounts, aid: int) -> None:
    """What stands before the @ may be told apart by case where it is read; we do not tell one place twice."""
    rules = accounts.alerts.rules
    rule_id = rules.add(aid, structs.replace(RULE, emails=(" Jane.Doe@Example.org", "b@example.org")))
    assert rules.get(aid, rule_id).rule.emails == ("Jane.Doe@Example.org", "b@example.org")
    with pytest.raises(InvalidValueError, match="twice"):
        rules.add(aid, structs.replace(RULE, emails=("a@example.org", "A@example.org")))


@pytest.mark.parametrize(
    "email",
    [
        "",
        "nobody",
        "a@b@c",
        "a@b\r\nBcc: c@d",
        "jané@example.org",
        "\u212aim@example.org",
        "a b@c",
        "a@b..c",
        "a@.b",
        "a@b-",
        "a@b.",
        "=?utf-8?q?x?=@example.org",
    ],
)
def test_what_is_no_address_is_refused(accounts: Accounts, aid: int, email: str) -> None:
    """Nothing that would need quotes, another encoding, or another line."""
    with pytest.raises(InvalidValueError, match="e-mail address"):
        accounts.alerts.rules.add(aid, structs.replace(RULE, emails=(email,)))


@pytest.mark.parametrize(
    "more",
    [
        {"emails": [f"a{number}@example.org" for number in range(21)]},
        {"services": [{"label": f"n{number}", "url": "ntfy://topic"} for number in range(11)]},
        {"services": [{"label": "", "url": "ntfy://topic"}]},
        {"services": [{"label": "x" * 65, "url": "ntfy://topic"}]},
    ],
)
def test_lists_of_recipients_are_bounded(more: dict[str, object]) -> None:
    """20 addresses, 10 services, and labels of 64 characters are the most that a document may have."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "n", "metric": "loss"} | more, AlertRule)


def test_a_label_names_one_service(accounts: Accounts, aid: int) -> None:
    """Two services of one label could not be told apart without their URLs."""
    twice = (service("ntfy://one1"), service("ntfy://two2", "Ops "))
    with pytest.raises(InvalidValueError, match="twice"):
        accounts.alerts.rules.add(aid, structs.replace(RULE, services=twice))


def test_nothing_secret_gets_into_the_audit_log_or_the_rule_document(accounts: Accounts, aid: int) -> None:
    """Only the column of secrets holds the URL of a service."""
    accounts.alerts.rules.add(aid, structs.replace(RULE, services=(service(SECRET_URL),)))
    with accounts._database.read() as connection:
        rows = {
            name: repr(connection.exec_driver_sql(query).all())
            for name, query in {
                "audit": "SELECT * FROM audit_events",
                "document": "SELECT document FROM alert_rules",
                "secrets": "SELECT secrets FROM alert_rules",
            }.items()
        }
    assert {name for name, found in rows.items() if "s3cr3t" in found} == {"secrets"}
