"""Documents of version 6 as bytes, in the format that was asked for."""

from typing import Final

import msgspec
from litestar.types import Scope
from msgspec import Struct

from hopsight.model.kinds import KINDS
from hopsight.server.api.answers import JSON, XML, Answer, compressed
from hopsight.server.api.documents import ErrorDocument, Tail, join_page
from hopsight.server.api.errors import ErrorAnswer
from hopsight.server.api.formats import Format
from hopsight.server.api.names import singular
from hopsight.server.api.v6.documents import ANSWERS, ITEMS
from hopsight.server.api.visits import header
from hopsight.server.api.xml_writer import PROLOGUE, XmlWriters

ROOT: Final = "teResults"

_writers: Final = XmlWriters()
_ANSWERS: Final = {answer: _writers.writer(answer) for answer in ANSWERS}
_TAIL: Final = _writers.writer(Tail)
_RECORDS: Final = {kind: (_writers.writer(item), msgspec.json.Decoder(item)) for kind, item in ITEMS.items()}
_json: Final = msgspec.json.Encoder()


def render(scope: Scope, format_: Format, document: Struct) -> Answer:
    """Answer with a document."""
    if format_ is Format.XML:
        return _answer(scope, _xml(_ANSWERS[type(document)](document)), XML)
    return _answer(scope, _json.encode(document), JSON)


def render_records(scope: Scope, format_: Format, kind: str, bodies: list[bytes], tail: Tail) -> Answer:
    """Answer with a page of stored documents: JSON joins them as they are, XML decodes them."""
    key = KINDS[kind].list_key
    if format_ is Format.XML:
        write, decoder = _RECORDS[kind]
        item = singular(key)
        items = "".join([f"<{item}>{write(decoder.decode(body))}</{item}>" for body in bodies])
        return _answer(scope, _xml(f"<{key}>{items}</{key}>{_TAIL(tail)}"), XML)
    return _answer(scope, join_page(key, bodies, tail), JSON)


def render_record(scope: Scope, format_: Format, kind: str, stored: bytes) -> Answer:
    """Answer with one record, of which ``stored`` may hold more than version 6 shows."""
    write, decoder = _RECORDS[kind]
    key = KINDS[kind].list_key
    item = decoder.decode(stored)
    if format_ is Format.XML:
        name = singular(key)
        return _answer(scope, _xml(f"<{key}><{name}>{write(item)}</{name}></{key}>"), XML)
    return _answer(scope, b'{"%b":[%b]}' % (key.encode(), _json.encode(item)), JSON)


def render_error(format_: Format, error: ErrorAnswer) -> Answer:
    """Answer with an error."""
    document = ErrorDocument(error_message=error.message)
    if format_ is Format.XML:
        body, content_type = _xml(_ANSWERS[ErrorDocument](document)), XML
    else:
        body, content_type = _json.encode(document), JSON
    return Answer(body, content_type, status=error.status, headers=error.headers)


def _xml(content: str) -> bytes:
    return f"{PROLOGUE}<{ROOT}>{content}</{ROOT}>".encode()


def _answer(scope: Scope, body: bytes, content_type: bytes) -> Answer:
    return compressed(Answer(body, content_type), header(scope, b"accept-encoding"))
