"""Signatures: DSSE envelopes (secure-systems-lab/dsse, version 1) with one Ed25519 signature.

What is signed is not the payload alone but its pre-authentication encoding (``pae``), so that no signature
can be taken for one of something else. The document carries the public key of its signer: that is enough to
see that it is unchanged, and not enough to know whose key it is.
"""

import base64
import binascii
import hashlib
from typing import Annotated, Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)
from msgspec import Meta, Struct

from hopsight.errors import HopsightError, InvalidValueError
from hopsight.server.reports.document import MAX_DOCUMENT_BYTES, SCHEMA, Signer

PAYLOAD_TYPE: Final = "application/vnd.hopsight.report+json"
MAX_ENVELOPE_BYTES: Final = MAX_DOCUMENT_BYTES * 4 // 3 + 4_096
_MAX_KEY_BYTES: Final = 8 << 10


class InvalidReportError(HopsightError):
    """A signed report is none, or was changed; says why."""


class Signature(Struct, frozen=True, kw_only=True):
    """``keyid``: fingerprint of the signer's key; ``sig``: base64."""

    keyid: Annotated[str, Meta(max_length=128)]
    sig: Annotated[str, Meta(max_length=256)]


class Envelope(Struct, rename="camel", frozen=True, kw_only=True):
    """What is in the file."""

    payload_type: Annotated[str, Meta(max_length=256)]
    payload: str
    signatures: Annotated[tuple[Signature, ...], Meta(min_length=1, max_length=1)]


class Checked(Struct, frozen=True, kw_only=True):
    """A report whose signature is right.

    Args:
        payload: the bytes that were signed.
        digest: SHA-256 of them, lower-case hex.
        fingerprint: of the key that made the signature.
        signer_checked: whether that is the key that was expected; False: none was named.
    """

    payload: bytes
    digest: str
    fingerprint: str
    signer_checked: bool


class _Carried(Struct):
    """The part of any document of ours that is needed to check it, whatever else it holds."""

    schema: str
    signer: Signer | None = None


def pae(payload_type: str, payload: bytes) -> bytes:
    """What is signed: the type and the payload with their lengths."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def digest_of(payload: bytes) -> str:
    """SHA-256 in lower-case hex: what stands on paper, and what a signed report is called."""
    return hashlib.sha256(payload).hexdigest()


def fingerprint_of(key: Ed25519PublicKey) -> str:
    """SHA-256 of the key's SubjectPublicKeyInfo (DER), in lower-case hex."""
    return hashlib.sha256(_der(key)).hexdigest()


def signer_of(key: Ed25519PublicKey) -> Signer:
    """The key as documents carry it."""
    return Signer(public_key=base64.b64encode(_der(key)).decode(), fingerprint=fingerprint_of(key))


def sign(payload: bytes, key: Ed25519PrivateKey) -> bytes:
    """The envelope of a document, as JSON on one line."""
    signature = Signature(
        keyid=fingerprint_of(key.public_key()),
        sig=base64.b64encode(key.sign(pae(PAYLOAD_TYPE, payload))).decode(),
    )
    envelope = Envelope(
        payload_type=PAYLOAD_TYPE, payload=base64.b64encode(payload).decode(), signatures=(signature,)
    )
    return msgspec.json.encode(envelope) + b"\n"


def check(content: bytes, key: Ed25519PublicKey | None = None, fingerprint: str | None = None) -> Checked:
    """See that an envelope is whole, and its signature right.

    Args:
        content: of the file.
        key: whose signature it must be.
        fingerprint: likewise; with both, both must hold. Without either the key in the document is believed.

    Raises:
        InvalidReportError: it is not; the text says why.
    """
    envelope = _opened(content)
    payload = _decoded(envelope.payload, "payload")
    signature = _decoded(envelope.signatures[0].sig, "signature")
    carried = _carried_key(payload)
    found = fingerprint_of(carried)
    if envelope.signatures[0].keyid != found:
        raise InvalidReportError("the signature names another key than the document does")
    if fingerprint is not None and fingerprint != found:
        raise InvalidReportError(f"it names the key {found}, not the one expected")
    if key is not None and fingerprint_of(key) != found:
        raise InvalidReportError(f"it names the key {found}, not the one given")
    try:
        carried.verify(signature, pae(envelope.payload_type, payload))
    except InvalidSignature:
        raise InvalidReportError("the signature does not fit: the document was changed") from None
    return Checked(
        payload=payload,
        digest=digest_of(payload),
        fingerprint=found,
        signer_checked=key is not None or fingerprint is not None,
    )


def read_public_key(content: bytes) -> Ed25519PublicKey:
    """Read a public key.

    Raises:
        InvalidValueError: it is no Ed25519 public key in PEM.
    """
    try:
        key = load_pem_public_key(content[:_MAX_KEY_BYTES])
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidValueError("key", "(not shown)", "an Ed25519 public key in PEM, as /report-key gives it")
    return key


def public_pem(key: Ed25519PublicKey) -> bytes:
    """The key in PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _der(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _opened(content: bytes) -> Envelope:
    if len(content) > MAX_ENVELOPE_BYTES:
        raise InvalidReportError(f"it is longer than {MAX_ENVELOPE_BYTES} bytes")
    try:
        envelope = _decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidReportError(f"it is no signed report ({error})") from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise InvalidReportError(f"its type is not {PAYLOAD_TYPE}")
    return envelope


def _decoded(text: str, what: str) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidReportError(f"its {what} is not base64") from None
    # Some bits of the last letter are not used: two texts must not stand for the same bytes.
    if base64.b64encode(content).decode() != text:
        raise InvalidReportError(f"its {what} is not base64 as it was written")
    return content


def _carried_key(payload: bytes) -> Ed25519PublicKey:
    try:
        carried = _decode_carried(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidReportError(f"its document cannot be read ({error})") from None
    if not carried.schema.startswith(SCHEMA.partition("/")[0] + "/") or carried.signer is None:
        raise InvalidReportError("its document is no signed report")
    try:
        key = load_der_public_key(base64.b64decode(carried.signer.public_key[:_MAX_KEY_BYTES], validate=True))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidReportError("its document carries no Ed25519 public key")
    return key


_decode: Final = msgspec.json.Decoder(Envelope).decode
_decode_carried: Final = msgspec.json.Decoder(_Carried).decode
