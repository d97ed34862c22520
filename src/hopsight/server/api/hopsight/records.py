"""Records of any kind: lists, filtered or not, with or without details; and one of them."""

from typing import Any, Final

import msgspec
from litestar.connection import Request

from hopsight.errors import InvalidValueError
from hopsight.model.kinds import KINDS
from hopsight.model.query import Cursor, Record
from hopsight.server.api.answers import Answer, compressed
from hopsight.server.api.asking import Asked, ask
from hopsight.server.api.bodies import read_json_body
from hopsight.server.api.description import Parameter
from hopsight.server.api.documents import join_page, merged
from hopsight.server.api.filters import SearchFilter, parse_search_filters
from hopsight.server.api.record_pages import Walk, fetch, next_url, parse_walk, tail_of
from hopsight.server.api.stored import read_stored
from hopsight.server.api.visits import header

EXPANDED_ITEMS: Final = 100
"""Items on a page with details: each of them costs a look-up, and is some kilobytes long."""

EXPAND: Final = Parameter(
    name="expand",
    meaning=f"`detail`: each item with what else is kept of it; then {EXPANDED_ITEMS} items are a page",
    schema={"type": "string", "enum": ["detail"]},
)


async def list_records(request: Request[Any, Any, Any], kind: str) -> Answer:
    """Answer a GET."""
    return await _answer_page(await ask(request), kind, ())


async def search_records(request: Request[Any, Any, Any], kind: str) -> Answer:
    """Answer a filtered POST: it reads, so every role may."""
    asked = await ask(request)
    body = await read_json_body(request.scope, request.receive)
    return await _answer_page(asked, kind, parse_search_filters(body))


async def read_record(asked: Asked, kind: str, place: Cursor) -> Answer:
    """Answer with one record, whole.

    Raises:
        NotFoundError: there is none of this ID in the account group that is asked about.
    """
    record = await read_stored(asked, kind, place)
    return answer_json(asked, merged(record.body, record.detail))


def answer_json(asked: Asked, body: bytes) -> Answer:
    """Answer with JSON, compressed if that is asked for."""
    return compressed(Answer(body), header(asked.scope, b"accept-encoding"))


def parse_list(
    asked: Asked, kind: str, filters: tuple[SearchFilter, ...], *, reach_back_s: int = 0
) -> tuple[Walk, bool]:
    """What is asked of a list, and whether details are.

    Raises:
        InvalidValueError: a parameter is wrong.
    """
    walk = parse_walk(kind, asked.aid, asked.parameters, filters, asked.services.clock.now())
    expand = asked.parameters.one("expand")
    if expand is None or KINDS[kind].detail is None:
        return msgspec.structs.replace(walk, reach_back_s=reach_back_s), False
    if expand != "detail":
        raise InvalidValueError("expand", expand, "detail")
    return msgspec.structs.replace(walk, limit=EXPANDED_ITEMS), True


async def _answer_page(asked: Asked, kind: str, filters: tuple[SearchFilter, ...]) -> Answer:
    services = asked.services
    started_s = services.clock.monotonic()
    walk, with_details = parse_list(asked, kind, filters)
    query, page = await fetch(walk, services.store)
    following = next_url(walk, query, page, asked.scope, asked.parameters, services.config.public_url)
    bodies = await _expanded(asked, kind, page.bodies) if with_details else page.bodies
    answer = answer_json(asked, join_page(KINDS[kind].list_key, bodies, tail_of(walk, following)))
    services.metrics.page_built(services.clock.monotonic() - started_s)
    return answer


async def _expanded(asked: Asked, kind: str, bodies: list[bytes]) -> list[bytes]:
    decode = _PLACES[kind].decode
    whole = []
    for body in bodies:
        place = decode(body)
        record = await asked.services.store.get(kind, asked.aid, place.round_id, place.record_id)
        # Pruned between the two questions: what the page had is still true.
        whole.append(merged(body, record.detail if isinstance(record, Record) else None))
    return whole


def _places(kind: str) -> Any:
    """Reads a record's place from its document; its ID is the first field of every document."""
    document = KINDS[kind].document
    identifier = msgspec.structs.fields(document)[0].encode_name
    fields = [
        ("record_id", str, msgspec.field(name=identifier)),
        ("round_id", int, msgspec.field(name="roundId")),
    ]
    return msgspec.json.Decoder(msgspec.defstruct(f"{document.__name__}Place", fields))


_PLACES: Final = {kind: _places(kind) for kind in KINDS}
