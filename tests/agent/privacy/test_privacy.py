"""What an operator says is not to leave the machine does not."""

import ipaddress
import random
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from hopsight.agent.privacy.fields import FIELDS, without_parts
from hopsight.agent.privacy.hidden import Pseudonyms
from hopsight.agent.privacy.redaction import KEY_NAME, REDACTIONS, Redaction, open_redaction
from hopsight.errors import ConfigError
from hopsight.model.agents import AgentInfo
from hopsight.model.network_documents import (
    NetworkProfileDocument,
    PathHop,
    Ping,
    Proxy,
    ProxyProfile,
    Segment,
    Traceroute,
    Verdict,
    VpnProfile,
    WirelessProfile,
)
from hopsight.model.topology import NetworkProbe, NetworkProbeDetail, TargetKind
from hopsight.model.upload import (
    AgentStateRecord,
    MeasurementContext,
    NetworkProbeRecord,
    NetworkSessionRecord,
    UserSessionRecord,
    WebSessionRecord,
)
from hopsight.model.user_sessions import SessionDetail, SessionNetwork, UserSession
from hopsight.testing import AGENT_ID, sample_session

KEY = b"k" * 32
DATE = "2026-11-20 09:00:00"
ROUND = 1_763_629_200

SEEDS = st.integers(0, 2**32)
QUICK = settings(max_examples=15, deadline=None)


class Secrets(Struct, frozen=True, kw_only=True):
    """One distinct value for each redaction."""

    ssid: str
    bssid: str
    user: str
    computer: str
    site: str
    proxy_host: str
    tunnel: str
    hop_name: str
    destination: str
    dns: str
    own: str
    gateway: str
    public: str
    proxy: str
    vpn: str
    hop: str


ADDRESSES = ("destination", "dns", "own", "gateway", "public", "proxy", "vpn", "hop")


def secrets_of(seed: int) -> Secrets:
    """All different, and none in another."""
    rng = random.Random(seed)

    def word(first: str) -> str:
        inner = "".join(rng.choices("abcdefghijklmnopqrstuvwxyzQX0123456789 -_äß.", k=rng.randrange(3, 20)))
        return f"{first}q{inner}q"

    def host(first: str) -> str:
        return f"{first}q{rng.getrandbits(40):x}q.example"

    octets = rng.sample(range(100, 200), 8)
    addresses = [f"11.{rng.randrange(100, 200)}.{rng.randrange(100, 200)}.{octet}" for octet in octets]
    site = host("s")
    return Secrets(
        ssid=word("w"),
        bssid="02:00:5e:10:00:01",
        user=word("u"),
        computer=word("c"),
        site=site,
        proxy_host=host("p"),
        tunnel=word("t"),
        hop_name=f"h{rng.getrandbits(40):x}.{site}",
        **dict(zip(ADDRESSES, addresses, strict=True)),
    )


def profile_of(secret: Secrets) -> NetworkProfileDocument:
    """A profile that says everything."""
    return NetworkProfileDocument(
        interface_name="eth0",
        ip_address=secret.own,
        subnet_mask="255.255.255.0",
        local_prefix=secret.own,
        gateway=secret.gateway,
        dns_servers=(secret.dns, secret.gateway),
        public_ip_address=secret.public,
        public_ip_range=f"{secret.public}-{secret.public}",
        proxy_profile=ProxyProfile(
            method="System",
            proxies=(Proxy(proxy=f"http://u:hunter22@{secret.proxy_host}:8080", bypass=secret.site),),
            pac_url=f"http://{secret.proxy_host}/wpad.dat",
        ),
        wireless_profile=WirelessProfile(ssid=secret.ssid, bssid=secret.bssid),
        vpn_profile=VpnProfile(interface_name=secret.tunnel, ip_address=secret.vpn, endpoint=secret.vpn),
    )


def session_of(secret: Secrets) -> UserSessionRecord:
    """A session whose texts repeat what its fields say."""
    told = f"{secret.site} ({secret.destination}) by {secret.hop}, {secret.gateway}, {secret.proxy} failed"
    path = Traceroute(
        destination=secret.destination,
        hops=(
            PathHop(hop=1, ip_address=secret.gateway, name=secret.gateway),
            PathHop(hop=2, ip_address=secret.hop, name=secret.hop_name, asn=64500, mpls=("L=1,E=0,S=1,T=1",)),
            PathHop(hop=3),
            PathHop(hop=4, ip_address=secret.destination, name=f"a.{secret.site}", prefix="11.0.0.0/8"),
        ),
        error=told,
    )
    return UserSessionRecord(
        document=UserSession(
            user_session_id="07625:1763629200:aaaaaaaa",
            agent_id=AGENT_ID,
            round_id=ROUND,
            date=DATE,
            visited_site=secret.site,
            number_of_pages=0,
        ),
        detail=SessionDetail(
            network=SessionNetwork(
                network_profile=profile_of(secret),
                ping=Ping(error=told),
                traceroute=path,
                errors=(told, secret.destination),
            ),
            segments=(
                Segment(name="lan", state="good", target=secret.gateway, note=told),
                Segment(name="proxy", state="good", target=secret.proxy),
                Segment(name="vpn", state="good", target=secret.vpn),
                Segment(name="provider", state="good", target=secret.hop),
                Segment(name="destination", state="failed", target=secret.destination),
            ),
            verdict=Verdict(result="destination", rules=1, summary=told),
        ),
        context=0,
        destination_ip=secret.destination,
    )


def all_of(secret: Secrets) -> list[Any]:
    """One of everything that leaves the machine."""
    targets: tuple[tuple[TargetKind, str], ...] = (
        ("gateway", secret.gateway),
        ("proxy", secret.proxy),
        ("vpn", secret.vpn),
    )
    session = sample_session(random.Random(1), aid=7625, round_id=ROUND)
    network = structs.replace(
        session, destination=structs.replace(session.destination, target=secret.destination)
    )
    return [
        NetworkSessionRecord(document=network, context=0, visited_site=secret.site),
        session_of(secret),
        *(
            NetworkProbeRecord(
                document=NetworkProbe(
                    network_probe_id="x", agent_id=AGENT_ID, round_id=ROUND, date=DATE, target=target
                ),
                detail=NetworkProbeDetail(network_profile=profile_of(secret), target_kind=kind),
                context=0,
            )
            for kind, target in targets
        ),
        MeasurementContext(
            gateway=secret.gateway,
            proxy_target=secret.proxy,
            vpn_target=secret.vpn,
            ssid=secret.ssid,
            bssid=secret.bssid,
        ),
        AgentInfo(
            computer_name=secret.computer,
            agent_name=f"desk of {secret.user}",
            user_names=(secret.user,),
            platform="Linux",
            os_version="1",
            kernel_version="1",
            version="1",
        ),
    ]


def redacted(redaction: Redaction, value: Any) -> Any:
    """By the method that is for it."""
    if isinstance(value, MeasurementContext):
        return redaction.context(value)
    return redaction.info(value) if isinstance(value, AgentInfo) else redaction.record(value)


@QUICK
@given(SEEDS)
def test_with_everything_redacted_no_secret_is_left_anywhere(seed: int) -> None:
    """Whatever field or sentence said it: the encoded bytes hold none of the values, and are still valid."""
    secret = secrets_of(seed)
    redaction = Redaction(tuple(REDACTIONS), KEY)
    for value in all_of(secret):
        told = msgspec.json.encode(redacted(redaction, value))
        msgspec.json.decode(told, type=type(value))
        for field in Secrets.__struct_fields__:
            assert getattr(secret, field) not in told.decode(), field


HIDES = {
    "ssid": ("ssid",),
    "bssid": ("bssid",),
    "user-names": ("user",),
    "computer-name": ("computer",),
    "visited-site": ("site",),
    "destination": ("destination",),
    "dns-servers": ("dns",),
    "local-addresses": ("own", "gateway"),
    "public-address": ("public",),
    "proxy": ("proxy", "proxy_host"),
    "vpn": ("vpn", "tunnel"),
    "path": ("hop", "hop_name"),
}


@pytest.mark.parametrize("name", HIDES)
@QUICK
@given(seed=SEEDS)
def test_each_redaction_hides_its_own_values(name: str, seed: int) -> None:
    """One redaction alone takes its values out of each record whose field said them."""
    secret = secrets_of(seed)
    redaction = Redaction((name,), KEY)
    for value in all_of(secret):
        # What is only in a bypass list, or no hop at all, is not what these are about.
        if name in {"visited-site", "path"} and isinstance(value, NetworkProbeRecord):
            continue
        told = msgspec.json.encode(redacted(redaction, value)).decode()
        for field in HIDES[name]:
            assert getattr(secret, field) not in told


@pytest.mark.parametrize("name", ["ssid", "bssid", "computer-name", "vpn"])
@QUICK
@given(seed=SEEDS)
def test_a_redaction_changes_nothing_else(name: str, seed: int) -> None:
    """With the values put back in the place of their pseudonyms, the record is what it was."""
    secret = secrets_of(seed)
    redaction = Redaction((name,), KEY)
    pseudonyms = Pseudonyms(KEY)
    for value in all_of(secret):
        told = msgspec.json.encode(redacted(redaction, value)).decode()
        for kind, text in (("ssid", secret.ssid), ("bssid", secret.bssid), ("computer", secret.computer)):
            told = told.replace(pseudonyms.name(kind, text), text)
        told = told.replace(pseudonyms.name("vpn", secret.tunnel), secret.tunnel)
        told = told.replace(pseudonyms.address(secret.vpn), secret.vpn)
        assert told == msgspec.json.encode(value).decode().replace("u:hunter22@", "")


@QUICK
@given(SEEDS)
def test_without_redactions_nothing_changes_but_credentials(seed: int) -> None:
    """By default everything is told, except the password of a proxy, which is never told."""
    secret = secrets_of(seed)
    for value in all_of(secret):
        told = msgspec.json.encode(redacted(Redaction(), value))
        assert told == msgspec.json.encode(value).replace(b"u:hunter22@", b"")


def strings_of(annotation: Any) -> bool:
    """Whether a type can hold text, or a struct that can."""
    if isinstance(annotation, type) and issubclass(annotation, Struct | str):
        return True
    return any(strings_of(argument) for argument in typing.get_args(annotation) if argument is not None)


def structs_in(annotation: Any) -> Iterator[type[Struct]]:
    """The structs that a type mentions."""
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from structs_in(argument)


def test_every_text_of_every_struct_has_been_thought_of() -> None:
    """A field that is added to a document is in the table of redaction, or this fails."""
    waiting: list[type[Struct]] = [
        NetworkSessionRecord,
        UserSessionRecord,
        NetworkProbeRecord,
        AgentStateRecord,
        WebSessionRecord,
        MeasurementContext,
        AgentInfo,
    ]
    seen: set[type[Struct]] = set()
    while waiting:
        kind = waiting.pop()
        if kind in seen:
            continue
        seen.add(kind)
        texts = {field.name for field in structs.fields(kind) if strings_of(field.type)}
        literals = {
            name
            for name, role in FIELDS[kind].items()
            if role == "plain" and typing.get_origin(_type(kind, name)) is typing.Literal
        }
        assert texts | literals == set(FIELDS[kind]), kind
        for field in structs.fields(kind):
            waiting += list(structs_in(field.type))
    assert seen == set(FIELDS)


def _type(kind: type[Struct], name: str) -> Any:
    return next(field.type for field in structs.fields(kind) if field.name == name)


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    """A misspelt redaction must not be a redaction that silently does nothing."""
    with pytest.raises(ConfigError, match=r"'sid'.*accepted: ssid, bssid"):
        Redaction(("sid",))


def test_the_same_network_is_the_same_pseudonym_after_a_restart(tmp_path: Path) -> None:
    """The key is kept in the agent's directory, for the owner alone; another machine's differs."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    context = MeasurementContext(ssid="guests")
    first = open_redaction(("ssid",), tmp_path / "a").context(context)
    assert (tmp_path / "a" / KEY_NAME).stat().st_mode & 0o777 == 0o600
    assert open_redaction(("ssid",), tmp_path / "a").context(context) == first
    assert open_redaction(("ssid",), tmp_path / "b").context(context) != first
    assert first.ssid is not None
    assert first.ssid.startswith("ssid-")


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8:1::7", "::ffff:192.0.2.7"])
def test_a_pseudonym_of_an_address_is_an_address_of_nobody(address: str) -> None:
    """The server takes it, and it is of a range that is given to nobody."""
    made = Redaction(("local-addresses",), KEY).context(MeasurementContext(gateway=address)).gateway
    assert made is not None
    assert str(ipaddress.ip_address(made)) == made
    assert made != address
    assert made.startswith(("24", "25", "2001:db8:"))


@pytest.mark.parametrize(
    ("url", "names", "left"),
    [
        ("http://u:p@h:1/a?b#c", (), "http://h:1/a?b#c"),
        ("http://h/a?b", ("url-path",), "http://h?b"),
        ("http://h/a?b#c", ("url-query",), "http://h/a"),
        ("u:p@h:3128", (), "h:3128"),
        ("<direct>", (), "<direct>"),
        ("http://[bad", (), ""),
    ],
)
def test_urls_lose_what_is_not_to_be_told(url: str, names: tuple[str, ...], left: str) -> None:
    """Credentials always; path and query when asked for; what is no URL altogether."""
    assert without_parts(url, names) == left


def test_short_names_are_replaced_as_words_only() -> None:
    """An SSID of one letter does not eat the letters of other words."""
    secret = structs.replace(secrets_of(1), ssid="e")
    told = Redaction(("ssid",), KEY).record(session_of(secret))
    assert told.detail.verdict == session_of(secret).detail.verdict


def test_the_documentation_lists_every_redaction() -> None:
    """With the same words as the code."""
    page = (Path(__file__).parents[3] / "docs" / "agent.md").read_text(encoding="utf-8")
    for name, meaning in REDACTIONS.items():
        assert f"| `{name}` | {meaning} |" in page
