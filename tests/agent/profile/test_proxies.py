"""Proxies: what settings say, what goes past them, and that no password gets through."""

import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.agent.profile.proxies import (
    ProxyServer,
    ProxySettings,
    bypasses,
    parse_bypass,
    parse_proxy,
    proxies_of_variables,
    proxy_document,
    proxy_for,
    proxy_variables,
    without_credentials,
)
from hopsight.agent.profile.proxy_files import read_system_proxies
from hopsight.model.network_documents import Proxy, ProxyProfile

PROXY = ProxyServer("http", "proxy.example", 3128)


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("http://proxy.example:3128", PROXY),
        ("proxy.example:3128", PROXY),
        (" http://user:secret@proxy.example:3128/ ", PROXY),
        ("http://user:se@cret@proxy.example:3128", PROXY),
        ("https://proxy.example", ProxyServer("https", "proxy.example", 443)),
        ("socks5h://[2001:db8::1]", ProxyServer("socks5h", "2001:db8::1", 1080)),
        ("", None), ("http://", None), ("http://proxy:port", None), ("http://proxy:0", None),
        ("http://proxy:70000", None), ("http://[::1", None), ("http://pro xy:80", None),
        (f"{'x' * 17}://proxy:1", None),
    ],
)  # fmt: skip
def test_proxies_are_read_without_their_passwords(text: str, server: ProxyServer | None) -> None:
    """Scheme, host and port are kept, what is no proxy is none."""
    assert parse_proxy(text) == server


def test_the_environment_says_which_proxy_is_for_what() -> None:
    """Either case of the names; the lower one wins; without a proxy there are no settings."""
    found = proxies_of_variables(
        {
            "HTTP_PROXY": "a:1",
            "http_proxy": "b:2",
            "https_proxy": "c:3",
            "ALL_PROXY": "d:4",
            "NO_PROXY": "X,y",
        }
    )
    assert found == ProxySettings(
        method="Environment",
        http=ProxyServer("http", "b", 2),
        https=ProxyServer("http", "c", 3),
        other=ProxyServer("http", "d", 4),
        bypass=("x", "y"),
    )
    assert proxies_of_variables({"no_proxy": "*", "PATH": "/bin"}) is None


def test_of_an_environment_nothing_else_is_taken() -> None:
    """The four variables, without users and passwords, and no other."""
    found = proxy_variables(
        {"HTTPS_PROXY": "http://u:p@proxy:8080", "no_proxy": "a,b", "AWS_SECRET": "s", "http_proxy": "::"}
    )
    assert found == {"https_proxy": "http://proxy:8080", "no_proxy": "a,b"}


@pytest.mark.parametrize(
    ("rule", "host", "port", "expected"),
    [
        ("*", "www.example.com", 443, True),
        ("example.com", "example.com", 443, True),
        ("example.com", "WWW.Example.com.", 443, True),
        ("example.com", "badexample.com", 443, False),
        (".example.com", "www.example.com", 443, True),
        (".example.com", "example.com", 443, True),
        ("*.example.com", "www.example.com", 443, True),
        ("*.example.com", "example.com", 443, False),
        ("example.com:8443", "www.example.com", 8443, True),
        ("example.com:8443", "www.example.com", 443, False),
        ("192.0.2.1", "192.0.2.1", 443, True),
        ("192.0.2.1", "192.0.2.10", 443, False),
        ("192.0.2.0/24", "192.0.2.77", 443, True),
        ("192.0.2.0/24", "198.51.100.1", 443, False),
        ("169.254/16", "169.254.7.7", 443, True),
        ("10.*", "10.1.2.3", 443, True),
        ("192.0.2.0/24:8080", "192.0.2.77", 8080, True),
        ("2001:db8::/32", "2001:db8::1", 443, True),
        ("2001:db8::1", "2001:db8::1", 443, True),
        ("[2001:db8::1]:443", "2001:db8::1", 443, True),
        ("[2001:db8::1]:80", "2001:db8::1", 443, False),
        ("2001:db8::/32", "192.0.2.1", 443, False),
        ("0.0.0.0/0", "www.example.com", 443, False),
        ("<local>", "intranet", 443, True),
        ("<local>", "www.example.com", 443, False),
        (".", "www.example.com", 443, False),
        ("", "www.example.com", 443, False),
        ("1/2/3", "1.2.3.4", 443, False),
    ],
)
def test_rules_let_past_what_they_name(rule: str, host: str, port: int, *, expected: bool) -> None:
    """Names and what is below them, patterns, addresses, networks, ports."""
    assert bypasses([rule], host, port) is expected


@given(st.lists(st.text(max_size=40), max_size=8), st.text(max_size=40), st.integers(0, 65_535))
def test_any_rule_and_host_is_answered(rules: list[str], host: str, port: int) -> None:
    """Whatever is written in settings, nothing raises."""
    settings = proxies_of_variables({"all_proxy": "p:1", "no_proxy": ",".join(rules)})
    assert proxy_for(settings, host, port) in {None, ("p", 1)}
    without_credentials(host)


@given(st.dictionaries(st.sampled_from(["http_proxy", "https_proxy", "all_proxy", "no_proxy"]), st.text()))
def test_any_settings_make_a_document_or_none(variables: dict[str, str]) -> None:
    """Whatever the variables hold, the server takes what is told of them."""
    document = proxy_document(proxies_of_variables(variables))
    assert msgspec.json.decode(msgspec.json.encode(document), type=ProxyProfile | None) == document


SETTINGS = ProxySettings(
    method="System",
    http=ProxyServer("http", "web", 80),
    https=PROXY,
    other=ProxyServer("socks5", "other", 1080),
    bypass=("*.local", "169.254/16"),
)


@pytest.mark.parametrize(
    ("host", "port", "proxy"),
    [
        ("www.example.com", 443, ("proxy.example", 3128)), ("www.example.com", 80, ("web", 80)),
        ("mail.example.com", 25, ("other", 1080)), ("www.example.com", None, None),
        ("printer.local", 443, None), ("169.254.1.1", 80, None), ("localhost", 443, None),
        ("127.0.0.1", 443, None), ("::1", 443, None), ("x.localhost.", 443, None),
    ],
)  # fmt: skip
def test_each_site_has_its_proxy(host: str, port: int | None, proxy: tuple[str, int] | None) -> None:
    """By its port; pings, exceptions and this machine go past all of them."""
    assert proxy_for(SETTINGS, host, port) == proxy
    assert proxy_for(None, host, port) is None


def test_the_document_names_each_proxy_once() -> None:
    """As the API has them: that for most sites first, and what goes past."""
    assert proxy_document(SETTINGS) == ProxyProfile(
        method="System",
        proxies=(
            Proxy(proxy="http://proxy.example:3128", bypass="*.local;169.254/16"),
            Proxy(proxy="http://web:80", bypass="*.local;169.254/16"),
            Proxy(proxy="socks5://other:1080", bypass="*.local;169.254/16"),
        ),
    )
    same = ProxySettings(method="Environment", http=PROXY, https=PROXY)
    assert proxy_document(same) == ProxyProfile(
        method="Environment", proxies=(Proxy(proxy="http://proxy.example:3128"),)
    )
    assert proxy_document(None) is None


def test_a_long_list_of_exceptions_is_cut_between_two() -> None:
    """The API's text has an end; no rule is cut in half."""
    bypass = parse_bypass(",".join(f"host{number}.example.com" for number in range(500)))
    document = proxy_document(ProxySettings(method="System", http=PROXY, bypass=bypass))
    assert document is not None
    told = document.proxies[0].bypass
    assert told is not None
    assert 2_000 < len(told) <= 2_048
    assert set(told.split(";")) <= set(bypass)


def test_urls_are_told_without_credentials() -> None:
    """A script's URL may hold a password, too."""
    assert without_credentials("http://u:p@wpad.example/proxy.pac?x=1") == "http://wpad.example/proxy.pac?x=1"
    assert without_credentials("http://[::1") is None
    assert without_credentials("") is None


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_machine_without_settings_has_no_proxy(tmp_path: Path) -> None:
    """No file, no settings."""
    assert read_system_proxies(tmp_path) is None


def test_what_every_login_gets_is_the_systems(tmp_path: Path) -> None:
    """``/etc/environment`` and what is beside it, as PAM reads them."""
    write(
        tmp_path / "etc/environment",
        "# proxies\nexport http_proxy='http://u:p@a.example:8080'\nhttps_proxy=\"b.example:8081\"\n#no_proxy=x\n",
    )
    write(tmp_path / "etc/environment.d/50-proxy.conf", "no_proxy=localhost,.example.com\njunk\n")
    assert read_system_proxies(tmp_path) == ProxySettings(
        method="System",
        http=ProxyServer("http", "a.example", 8080),
        https=ProxyServer("http", "b.example", 8081),
        bypass=("localhost", ".example.com"),
    )


def test_what_every_service_gets_is_the_systems(tmp_path: Path) -> None:
    """As systemd's ``DefaultEnvironment=``; words that do not end are none."""
    write(
        tmp_path / "etc/systemd/system.conf",
        '[Manager]\n#DefaultEnvironment=x\nDefaultEnvironment="https_proxy=http://a:1" "no_proxy=b c"\n',
    )
    found = read_system_proxies(tmp_path)
    assert found == ProxySettings(method="System", https=ProxyServer("http", "a", 1), bypass=("b", "c"))
    write(tmp_path / "etc/systemd/system.conf.d/9.conf", '[Manager]\nDefaultEnvironment="https_proxy=\n')
    assert read_system_proxies(tmp_path) == found


def test_gnomes_settings_are_those_of_the_administrator(tmp_path: Path) -> None:
    """From dconf's key files: later ones win, and win over the environment of logins."""
    directory = tmp_path / "etc/dconf/db/local.d"
    write(tmp_path / "etc/environment", "http_proxy=e:1")
    write(directory / "00-none", "[system/proxy]\nmode='none'\n[system/proxy/http]\nhost='off'\nport=80\n")
    assert read_system_proxies(tmp_path) == proxies_of_variables({"http_proxy": "e:1"}, "System")
    write(
        directory / "10-proxy",
        "[system/proxy]\nmode='manual'\nignore-hosts=['localhost', \"10.0.0.0/8\"]\n"
        "[system/proxy/http]\nhost='w.example'\nport=3128\n"
        "[system/proxy/https]\nhost=''\nport=0\n[system/proxy/socks]\nhost='s.example'\nport=1080\n",
    )
    assert read_system_proxies(tmp_path) == ProxySettings(
        method="System",
        http=ProxyServer("http", "w.example", 3128),
        other=ProxyServer("socks5", "s.example", 1080),
        bypass=("localhost", "10.0.0.0/8"),
    )
    write(directory / "20-pac", "[system/proxy]\nmode='auto'\nautoconfig-url='http://u:p@wpad/x.pac'\n")
    assert read_system_proxies(tmp_path) == ProxySettings(method="PAC", pac_url="http://wpad/x.pac")


def test_kdes_settings_are_those_of_the_administrator(tmp_path: Path) -> None:
    """Ports after a space or a colon; keys that users may not change; a script by its URL."""
    path = tmp_path / "etc/xdg/kioslaverc"
    write(
        path,
        "[Proxy Settings][$i]\nignored\n[Proxy Settings]\nProxyType[$i]=1\nhttpProxy=http://a.example 8080\n"
        "httpsProxy=http://b.example:8081\nNoProxyFor=.local,10.0.0.0/8\n",
    )
    assert read_system_proxies(tmp_path) == ProxySettings(
        method="System",
        http=ProxyServer("http", "a.example", 8080),
        https=ProxyServer("http", "b.example", 8081),
        bypass=(".local", "10.0.0.0/8"),
    )
    write(path, "[Proxy Settings]\nProxyType=2\nProxy Config Script=http://wpad/x.pac\n")
    assert read_system_proxies(tmp_path) == ProxySettings(method="PAC", pac_url="http://wpad/x.pac")
    write(path, "[Proxy Settings]\nProxyType=0\nhttpProxy=http://a.example 8080\n")
    assert read_system_proxies(tmp_path) is None


@given(st.binary(max_size=300))
def test_any_file_is_read(data: bytes) -> None:
    """Files that are damaged, or are none of these at all, are no settings or some, but no error."""
    with tempfile.TemporaryDirectory() as name:
        for path in (
            "etc/environment",
            "etc/xdg/kioslaverc",
            "etc/dconf/db/a.d/b",
            "etc/systemd/system.conf",
        ):
            (Path(name) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(name) / path).write_bytes(b"[Manager]\nDefaultEnvironment=" + data)
        proxy_document(read_system_proxies(Path(name)))
