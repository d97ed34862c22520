"""What names, addresses of people, and targets may look like. They end up in XML and in Basic credentials."""

import re
from typing import Final

import msgspec

from hopsight.errors import InvalidValueError
from hopsight.model.agents import PRINTABLE, Target

MAX_NAME_CHARS: Final = 255
MAX_EMAIL_CHARS: Final = 254

_PRINTABLE: Final = re.compile(PRINTABLE)
# Narrower than RFC 5322 on purpose: no quotes, no comments, and no ":" (it ends the user of Basic).
_EMAIL: Final = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]|\.(?!\.))*(?<![.-])")


def checked_name(value: str, what: str) -> str:
    """A name of something, without the white space around it.

    Raises:
        InvalidValueError: it is empty, too long, or holds what cannot be shown.
    """
    name = value.strip()
    if not 0 < len(name) <= MAX_NAME_CHARS or not _PRINTABLE.match(name):
        raise InvalidValueError(what, value, f"1 to {MAX_NAME_CHARS} printable characters")
    return name


def checked_email(value: str) -> str:
    """An e-mail address in lower case.

    Raises:
        InvalidValueError: it is not one.
    """
    return checked_mailbox(value).lower()


def checked_mailbox(value: str) -> str:
    """An e-mail address as it is spelled, without the white space around it.

    Raises:
        InvalidValueError: it is not one.
    """
    email = value.strip()
    # What begins with "=?" would be decoded where a header is read.
    is_plain = email.isascii() and "=?" not in email
    if len(email) > MAX_EMAIL_CHARS or not is_plain or not _EMAIL.fullmatch(email.lower()):
        raise InvalidValueError("e-mail address", value, "for example jane.doe@example.org")
    return email


def checked_target(target: Target) -> Target:
    """A target as the model wants it: structs made in code are not checked by themselves.

    Raises:
        InvalidValueError: a field is wrong.
    """
    try:
        return msgspec.convert(msgspec.to_builtins(target), Target)
    except msgspec.ValidationError as error:
        raise InvalidValueError("target", target.host, f"HOST[:PORT] ({error})") from None
