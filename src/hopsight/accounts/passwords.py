"""Passwords of people: what they must be, and argon2id, which makes each guess cost time and memory."""

from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from hopsight.errors import InvalidValueError

MIN_CHARS: Final = 10
MAX_CHARS: Final = 1_000

# The library's own choice: RFC 9106 for where memory is scarce (64 MiB, 3 passes).
_hasher: Final = PasswordHasher()
_NOBODYS: Final = _hasher.hash("of no account")


def checked_password(password: str, *, email: str = "") -> str:
    """A password that may be set.

    Raises:
        InvalidValueError: it is too short, too long, or the address; it is not repeated.
    """
    if not MIN_CHARS <= len(password) <= MAX_CHARS:
        accepted = f"{MIN_CHARS} to {MAX_CHARS} characters; several words are easiest to remember"
        raise InvalidValueError("password", f"({len(password)} characters)", accepted)
    if password.strip().lower() == email.lower():
        raise InvalidValueError("password", "(the e-mail address)", "something that others do not know")
    return password


def hash_password(password: str) -> str:
    """What is stored in a password's place; takes about 0.1 s and 64 MiB."""
    return _hasher.hash(password.encode("utf-8", "surrogatepass"))


def is_password(stored: str | None, password: str) -> bool:
    """Whether it is the one; as slow where there is none (None): who measures must not learn who exists."""
    try:
        _hasher.verify(stored or _NOBODYS, password.encode("utf-8", "surrogatepass"))
    except (Argon2Error, InvalidHashError):
        return False
    return stored is not None
