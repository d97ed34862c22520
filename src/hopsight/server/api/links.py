"""Absolute links back to us, built from what is configured or from what the request says."""

import re
from typing import Final
from urllib.parse import quote

from litestar.types import Scope

# A host that a client sends comes back in a body: nothing but a host may.
_HOST: Final = re.compile(rb"(?:[0-9A-Za-z._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_PATH_SAFE: Final = "/:@!$&'()*+,;=~"
_QUERY_SAFE: Final = "%/:?@!$&'()*+,;=~[]"


def origin(scope: Scope, public_url: str | None) -> str:
    """Scheme and host (and path prefix) under which the client knows us, without a final slash."""
    if public_url is not None:
        return public_url.rstrip("/")
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    if _HOST.fullmatch(host):
        return f"{scope['scheme']}://{host.decode()}"
    name, port = scope.get("server") or ("localhost", None)
    shown = f"[{name}]" if ":" in name else name
    return f"{scope['scheme']}://{shown}" + (f":{port}" if port else "")


def link(base: str, path: str, pairs: list[bytes]) -> str:
    """An absolute URL of a decoded path and of ``name=value`` pairs that are encoded already."""
    query = quote(b"&".join(pairs), safe=_QUERY_SAFE)
    return base + quote(path, safe=_PATH_SAFE) + (f"?{query}" if query else "")
