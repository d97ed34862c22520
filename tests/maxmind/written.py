"""Writes files in the MaxMind format (version 2), small ones, as tests need them."""

import ipaddress
import struct
from typing import Any

Networks = dict[str, Any]
MARKER = b"\xab\xcd\xefMaxMind.com"
_EMPTY = -1


def encoded(value: Any) -> bytes:
    """A value of the data section (MaxMind DB format, version 2)."""
    if isinstance(value, dict):
        pairs = b"".join(encoded(key) + encoded(item) for key, item in value.items())
        return bytes([7 << 5 | len(value)]) + pairs
    if isinstance(value, list):
        return bytes([len(value), 11 - 7]) + b"".join(map(encoded, value))
    if isinstance(value, float):
        return bytes([3 << 5 | 8]) + struct.pack(">d", value)
    if isinstance(value, int):
        raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return bytes([6 << 5 | len(raw)]) + raw
    raw = str(value).encode()
    head = bytes([2 << 5 | len(raw)]) if len(raw) < 29 else bytes([2 << 5 | 29, len(raw) - 29])
    return head + raw


def database(entries: Networks, ip_version: int = 6, kind: str = "Test-ASN") -> bytes:
    """A whole file: search tree of 24-bit records, data, metadata; IPv4 lies in ::/96 of an IPv6 tree."""
    nodes: list[list[int | bytes]] = [[_EMPTY, _EMPTY]]
    for text, value in entries.items():
        network = ipaddress.ip_network(text)
        if network.version > ip_version:
            continue
        bits = f"{int(network.network_address):0{network.max_prefixlen}b}"[: network.prefixlen]
        if network.version < ip_version:
            bits = "0" * 96 + bits
        node = nodes[0]
        for bit in map(int, bits[:-1]):
            below = node[bit]
            if below == _EMPTY:
                nodes.append([_EMPTY, _EMPTY])
                below = node[bit] = len(nodes) - 1
            assert isinstance(below, int)
            node = nodes[below]
        node[int(bits[-1])] = encoded(value)
    return _file(nodes, ip_version, kind)


def _file(nodes: list[list[int | bytes]], ip_version: int, kind: str) -> bytes:
    tree, data = b"", b""
    for node in nodes:
        for record in node:
            if isinstance(record, bytes):
                pointer = len(nodes) + 16 + len(data)
                data += record
            else:
                pointer = len(nodes) if record == _EMPTY else record
            tree += pointer.to_bytes(3, "big")
    metadata = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1,
        "database_type": kind,
        "description": {"en": "test"},
        "ip_version": ip_version,
        "languages": ["en"],
        "node_count": len(nodes),
        "record_size": 24,
    }
    return tree + bytes(16) + data + MARKER + encoded(metadata)
