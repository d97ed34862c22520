"""What kind of link an interface is, by ``/sys/class/net``."""

from pathlib import Path
from typing import Final

SYS_NET: Final = Path("/sys/class/net")
_MAX_FILE_BYTES: Final = 4_096

# linux/if_arp.h
_ETHER, _PPP, _RAWIP, _LOOPBACK, _NONE = 1, 512, 519, 772, 65534
_IP_TUNNELS: Final = {768: "ipip", 769: "ip6tnl", 776: "sit", 778: "gre", 823: "ip6gre"}
_LINK_TYPES: Final = {_ETHER: "Ethernet", _PPP: "PPP", _LOOPBACK: "Loopback"}
_TUNNEL_TYPES: Final = {"wireguard", "tun", "ppp"}
_IFF_TAP: Final = 0x2  # linux/if_tun.h


class Links:
    """The links of this machine, read when asked for; made anew for each look at them.

    Args:
        sys_net: where the system shows them.
    """

    def __init__(self, sys_net: Path = SYS_NET) -> None:
        self._sys_net = sys_net
        # Asked of every route, and there may be thousands: without this, a thousand cost 0.1 s.
        self._tunnels: dict[str, bool] = {}

    def connection(self, interface: str) -> str:
        """The API's word: ``Ethernet``, ``Wireless``, ``Loopback``, ``Virtual``, ``Modem`` or ``Other``."""
        link = self._sys_net / interface
        if (link / "wireless").exists() or (link / "phy80211").exists():
            return "Wireless"
        kind = self._kind(interface)
        if kind == _LOOPBACK:
            return "Loopback"
        if self.is_dial_up(interface):
            return "Modem"
        if self.is_tunnel(interface):
            return "Virtual"
        if kind == _ETHER:
            return "Ethernet" if (link / "device").exists() else "Virtual"
        return "Other"

    def link_type(self, interface: str) -> str | None:
        """How frames are addressed: Wi-Fi is ``Ethernet`` there, too."""
        kind = self._kind(interface)
        if kind is None:
            return None
        return "Tunnel" if kind in {*_IP_TUNNELS, _NONE} else _LINK_TYPES.get(kind, "Other")

    def is_dial_up(self, interface: str | None) -> bool:
        """Whether it is a modem's link, or looks like one: VPNs speak PPP, too."""
        if interface is None:
            return False
        modem = interface.startswith("wwan") or self._device_type(interface) == "wwan"
        return modem or self._kind(interface) in {_PPP, _RAWIP}

    def is_tunnel(self, interface: str | None) -> bool:
        """Whether packets leave by it inside others."""
        if interface is None:
            return False
        if interface not in self._tunnels:
            self._tunnels[interface] = self._read_is_tunnel(interface)
        return self._tunnels[interface]

    def tunnel_kind(self, interface: str) -> str | None:
        """``wireguard``, ``tun``, ``tap``, ``ppp``, ``gre``, ...; None: the files do not tell."""
        flags = self._tun_flags(interface)
        if flags is not None:
            return "tap" if flags & _IFF_TAP else "tun"
        device_type = self._device_type(interface)
        if device_type in _TUNNEL_TYPES:
            return device_type
        kind = self._kind(interface)
        return "ppp" if kind == _PPP else _IP_TUNNELS.get(kind or 0)

    def _read_is_tunnel(self, interface: str) -> bool:
        if self._device_type(interface) == "wwan":
            return False
        if self._device_type(interface) in _TUNNEL_TYPES or self._tun_flags(interface) is not None:
            return True
        return self._kind(interface) in {_PPP, _NONE, *_IP_TUNNELS}

    def _kind(self, interface: str) -> int | None:
        text = self._text(interface, "type").strip()
        return int(text) if text.isdecimal() else None

    def _tun_flags(self, interface: str) -> int | None:
        text = self._text(interface, "tun_flags").strip()
        try:
            return int(text, 16) if text else None
        except ValueError:
            return None

    def _device_type(self, interface: str) -> str | None:
        for line in self._text(interface, "uevent").splitlines():
            key, _, value = line.partition("=")
            if key == "DEVTYPE":
                return value
        return None

    def _text(self, interface: str, name: str) -> str:
        try:
            with (self._sys_net / interface / name).open("rb") as file:
                return file.read(_MAX_FILE_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""
