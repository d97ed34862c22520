"""What version 7's answers have in common: links, and errors (RFC 7807)."""

from msgspec import Struct, field


class Link(Struct, frozen=True, kw_only=True):
    """Where something is."""

    href: str


class Links(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where this is, and where the list goes on."""

    self_: Link | None = field(default=None, name="self")
    next: Link | None = None


class ProblemItem(Struct, frozen=True, kw_only=True):
    """One value that was wrong."""

    code: str
    field: str
    message: str


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, and what would be accepted; ``errors`` names the value where one was wrong."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[ProblemItem] | None = None


class Unauthorized(Struct, frozen=True, kw_only=True):
    """Credentials are missing or wrong."""

    error: str
    error_description: str
