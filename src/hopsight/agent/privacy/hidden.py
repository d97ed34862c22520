"""Secret values of one record, and what stands in their place."""

import hashlib
import hmac
import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

KEY_BYTES: Final = 32

_HEX_DIGITS: Final = 12
_SUBSTRING_CHARS: Final = 4
"""A shorter name is found as a word only: an SSID of one letter is in every sentence."""
_BEFORE_ADDRESS, _AFTER_ADDRESS = r"(?<![0-9a-f.:])", r"(?![0-9a-f:]|\.[0-9a-f])"
_BEFORE_WORD, _AFTER_WORD = r"(?<![0-9a-z])", r"(?![0-9a-z])"

# RFC 1112 section 4 (reserved, never given to anybody) and RFC 3849 (documentation): nobody has these.
_IPV4_BITS, _IPV4_RESERVED = 28, 240 << 24
_IPV6_BITS, _IPV6_RESERVED = 96, 0x20010DB8 << 96


class Pseudonyms:
    """Keyed hashes: the same for the same text, and nobody without the key can try which text it was."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def name(self, kind: str, text: str) -> str:
        """``kind-`` and 12 hex digits: a host name that no DNS knows."""
        return f"{kind}-{self._digest(kind, text).hex()[:_HEX_DIGITS]}"

    def address(self, text: str) -> str:
        """An address that cannot be anybody's: in 240.0.0.0/4, or in 2001:db8::/32."""
        address = ipaddress.ip_address(text)
        number = int.from_bytes(self._digest("address", str(address)))
        if address.version == 4:  # noqa: PLR2004 - IPv4
            return str(ipaddress.IPv4Address(_IPV4_RESERVED | number % (1 << _IPV4_BITS)))
        return str(ipaddress.IPv6Address(_IPV6_RESERVED | number % (1 << _IPV6_BITS)))

    def _digest(self, kind: str, text: str) -> bytes:
        return hmac.digest(self._key, f"{kind}\0{text}".encode(), hashlib.sha256)


class Hidden:
    """What is to be hidden in one record: filled by looking at it, then asked for every text in it.

    Attributes:
        hops: numbers of the hops whose name, prefix, AS number and labels are left out.
    """

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self.hops: set[int] = set()
        self._pseudonyms = pseudonyms
        self._instead: dict[str, str] = {}
        self._patterns: list[str] = []
        self._compiled: re.Pattern[str] | None = None

    def name(self, kind: str, text: str | None) -> None:
        """Hide a name."""
        if not text:
            return
        pattern = re.escape(text.lower())
        if len(text) < _SUBSTRING_CHARS:
            pattern = _BEFORE_WORD + pattern + _AFTER_WORD
        self._hide(text, self._pseudonyms.name(kind, text), pattern)

    def address(self, text: str | None) -> None:
        """Hide an address, in both of its spellings."""
        if not text:
            return
        try:
            spelling = str(ipaddress.ip_address(text))
            instead = self._pseudonyms.address(text)
        except ValueError:
            self.name("address", text)
            return
        for spelled in {text, spelling}:
            self._hide(spelled, instead, _BEFORE_ADDRESS + re.escape(spelled.lower()) + _AFTER_ADDRESS)

    def site(self, text: str | None) -> None:
        """Hide a host, be it a name or an address."""
        if not text:
            return
        try:
            ipaddress.ip_address(text)
        except ValueError:
            self.name("site", text.lower().rstrip("."))
        else:
            self.address(text)

    def url(self, kind: str, text: str | None) -> None:
        """Hide a URL (or ``HOST:PORT``) and the host in it."""
        if not text or text == "<direct>":
            return
        self.name(kind, text)
        try:
            host = urlsplit(text if "//" in text else f"//{text}").hostname
        except ValueError:
            return
        self.site(host)

    def in_place_of(self, text: str) -> str:
        """What stands for a whole value: itself, when it is no secret."""
        return self._instead.get(text.lower(), text)

    def scrub(self, text: str) -> str:
        """A text with every secret in it replaced."""
        if not self._patterns:
            return text
        whole = self._instead.get(text.lower())
        if whole is not None:
            return whole
        if self._compiled is None:
            # The longest first: a name may be part of another.
            ordered = sorted(self._patterns, key=len, reverse=True)
            self._compiled = re.compile("|".join(ordered), re.IGNORECASE)
        return self._compiled.sub(lambda found: self._instead[found[0].lower()], text)

    def _hide(self, text: str, instead: str, pattern: str) -> None:
        if text.lower() not in self._instead:
            self._instead[text.lower()] = instead
            self._patterns.append(pattern)
            self._compiled = None
