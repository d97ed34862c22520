"""What proves that a form came from a page of ours: bound to what the visitor showed, and kept nowhere."""

import hashlib
import hmac
from typing import Final

_PURPOSE: Final = b"hopsight form"


def csrf_token(secret: str) -> str:
    """The token for the forms of whoever shows ``secret`` (a cookie, or an ``Authorization`` header)."""
    return hmac.new(secret.encode(), _PURPOSE, hashlib.sha256).hexdigest()
