"""The answers of our own API, as structs."""

from typing import Any, Final, get_args

import msgspec
from msgspec import NODEFAULT, Struct, field

from hopsight.model.dimensions import AGENT_STATES, NETWORK_PROBES, USER_SESSIONS
from hopsight.model.kinds import KINDS, Kind
from hopsight.model.network_documents import VerdictResult
from hopsight.model.sessions import DateTime
from hopsight.server.api.documents import records_answer
from hopsight.server.api.names import capitalized, singular


class VerdictCount(Struct, frozen=True, kw_only=True):
    """How many sessions have one verdict."""

    verdict: VerdictResult
    sessions: int


class VerdictsAnswer(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Sessions of a time range by verdict.

    Args:
        verdicts: every verdict there is, also those that no session has.
        without_verdict: sessions that were watched, not probed.
        sessions: all of them.
        round_id: the last round, when no time range was asked for.
    """

    verdicts: list[VerdictCount]
    without_verdict: int
    sessions: int
    round_id: int | None = None
    from_: DateTime | None = field(default=None, name="from")
    to: DateTime | None = None


def _whole(kind: Kind) -> type[Struct]:
    """The stored document with the fields of its detail behind its own."""
    if kind.detail is None:
        return kind.document
    own = [_field(each, optional=False) for each in msgspec.structs.fields(kind.document)]
    added = [_field(each, optional=True) for each in msgspec.structs.fields(kind.detail)]
    name = f"{capitalized(singular(kind.list_key))}Document"
    about = {"__doc__": f"A {kind.document.__name__}, and of a {kind.detail.__name__} what was asked for."}
    return msgspec.defstruct(name, [*own, *added], kw_only=True, omit_defaults=True, namespace=about)


def _field(given: msgspec.structs.FieldInfo, *, optional: bool) -> tuple[str, Any, Any]:
    if optional and given.default is NODEFAULT:
        return given.name, given.type | None, field(default=None, name=given.encode_name)
    return given.name, given.type, field(default=given.default, name=given.encode_name)


SERVED: Final = tuple(KINDS[name] for name in (USER_SESSIONS, NETWORK_PROBES, AGENT_STATES))
"""The kinds of record that our own API serves."""
WHOLE: Final = {kind.name: _whole(kind) for kind in SERVED}
"""One record of each kind, with all that is kept of it."""
RECORDS: Final = {
    kind.name: records_answer(
        kind.list_key, WHOLE[kind.name], f"{capitalized(kind.list_key)}WithDetailAnswer"
    )
    for kind in SERVED
}
"""A page of each kind."""
VERDICTS: Final[tuple[VerdictResult, ...]] = get_args(VerdictResult)
