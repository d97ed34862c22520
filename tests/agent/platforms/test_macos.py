"""Texts in the form that macOS' tools print them, read. Not run on hardware."""

import pytest

from hopsight.agent.platforms import macos
from hopsight.agent.profile.proxies import ProxyServer

ROUTE = """\
   route to: default
destination: default
       mask: default
    gateway: 192.168.1.1
  interface: en0
      flags: <UP,GATEWAY,DONE,STATIC,PRCLONING,GLOBAL>
 recvpipe  sendpipe  ssthresh  rtt,msec    rttvar  hopcount      mtu     expire
       0         0         0         0         0         0      1500         0
"""
DNS = """\
DNS configuration

resolver #1
  search domain[0] : lan
  nameserver[0] : 192.168.1.1
  nameserver[1] : fe80::1%en0
  nameserver[2] : 192.168.1.1
  if_index : 6 (en0)
  flags    : Request A records, Request AAAA records
  reach    : 0x00020002 (Reachable,Directly Reachable Address)

resolver #2
  domain   : local
  options  : mdns
  timeout  : 5

DNS configuration (for scoped queries)

resolver #1
  nameserver[0] : 198.51.100.53
  if_index : 9 (utun0)
"""
PROXY = """\
<dictionary> {
  ExceptionsList : <array> {
    0 : *.local
    1 : 169.254/16
  }
  FTPPassive : 1
  HTTPEnable : 1
  HTTPPort : 8080
  HTTPProxy : proxy.example.com
  HTTPSEnable : 0
  HTTPSPort : 8443
  HTTPSProxy : off.example.com
  ProxyAutoConfigEnable : 1
  ProxyAutoConfigURLString : http://wpad.example.com/wpad.dat
  SOCKSEnable : 0
}
"""
WIFI = """\
————————————————————————————————
NETWORK
————————————————————————————————
    Primary IPv4         : en0 (Wi-Fi / ...)
————————————————————————————————
WIFI
————————————————————————————————
    MAC Address          : 02:00:00:00:00:01 (hw=02:00:00:00:00:01)
    Interface Name       : en0
    Power                : On [On]
    Op Mode              : STA
    SSID                 : guests
    BSSID                : <redacted>
    RSSI                 : -52 dBm
    Noise                : -95 dBm
    Tx Rate              : 864.5 Mbps
    PHY Mode             : 11ax
    Channel              : 5g44/80
————————————————————————————————
BLUETOOTH
————————————————————————————————
    Power                : On
    SSID                 : no
"""


def test_all_of_it_together() -> None:
    """Each command is asked once, and its text goes where it belongs."""
    texts = {macos.ROUTE: ROUTE, macos.DNS: DNS, macos.PROXY: PROXY, macos.WIFI: WIFI}
    facts = macos.read_facts(lambda command: texts[tuple(command)])
    assert (facts.interface, facts.gateway) == ("en0", "192.168.1.1")
    assert facts.dns_servers == ("192.168.1.1", "fe80::1")
    assert facts.proxies is not None
    assert facts.proxies.http == ProxyServer("http", "proxy.example.com", 8080)
    assert facts.proxies.https is None
    assert facts.proxies.bypass == ("*.local", "169.254/16")
    assert facts.proxies.pac_url == "http://wpad.example.com/wpad.dat"
    link = facts.wireless
    assert link is not None
    assert (link.ssid, link.bssid, link.channel, link.rssi, link.noise) == ("guests", None, 44, -52, -95)
    assert (link.phy_mode, link.tx_rate) == ("11ax", 864.5)


def test_tools_that_say_nothing_leave_nothing() -> None:
    """No command, no route, no rights: absent, and no error."""
    facts = macos.read_facts(lambda _: "")
    assert facts == type(facts)()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("    gateway: fe80::1%en0\n  interface: en0\n", ("en0", "fe80::1")),
        ("    gateway: link#12\n  interface: utun3\n", ("utun3", None)),
    ],
)
def test_gateways_of_other_forms(text: str, expected: tuple[str, str | None]) -> None:
    """A zone is cut off; a link is no address."""
    assert macos.default_route(text) == expected


def test_another_interfaces_wifi_is_not_this_ones() -> None:
    """A Mac on a cable is not on the Wi-Fi that it has as well."""
    assert macos.wireless(WIFI, "en7") is None


def test_the_header_in_front_of_a_reply_is_cut_off() -> None:
    """By its own length; what is no IPv4 packet gives nothing."""
    message = b"\x00\x00rest"
    assert macos.without_ip_header(b"\x45" + bytes(19) + message) == message
    assert macos.without_ip_header(b"\x46" + bytes(23) + message) == message
    assert macos.without_ip_header(b"\x60" + bytes(39)) == b""
    assert macos.without_ip_header(b"") == b""
