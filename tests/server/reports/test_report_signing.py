"""Signatures of reports: what was signed is accepted byte for byte, and nothing else."""

import base64
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.server.reports.documents import KEY, OTHER_KEY, sample_report

from hopsight.server.reports.document import MAX_DOCUMENT_BYTES, decode_report, encode_report
from hopsight.server.reports.signing import (
    MAX_ENVELOPE_BYTES,
    PAYLOAD_TYPE,
    Envelope,
    InvalidReportError,
    Signature,
    check,
    fingerprint_of,
    pae,
    public_pem,
    sign,
    signer_of,
)

GOLDEN = Path(__file__).parent / "golden" / "signed-report.json"
DOCS = Path(__file__).parents[3] / "docs" / "report.md"
REPORT = structs.replace(sample_report(), signer=signer_of(KEY.public_key()))
PAYLOAD = encode_report(REPORT)
SIGNED = sign(PAYLOAD, KEY)


def enveloped(payload: bytes, signature: bytes, keyid: str | None = None, type_: str = PAYLOAD_TYPE) -> bytes:
    """An envelope of any parts."""
    named = fingerprint_of(KEY.public_key()) if keyid is None else keyid
    signed = Signature(keyid=named, sig=base64.b64encode(signature).decode())
    text = base64.b64encode(payload).decode()
    return msgspec.json.encode(Envelope(payload_type=type_, payload=text, signatures=(signed,)))


def test_a_signed_document_byte_for_byte(request: pytest.FixtureRequest) -> None:
    """The same report, key and clock give the same file: Ed25519 and the encoding leave nothing open."""
    if request.config.getoption("--write-golden"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_bytes(SIGNED)
    assert GOLDEN.read_bytes() == SIGNED
    assert decode_report(check(GOLDEN.read_bytes(), KEY.public_key()).payload) == REPORT


def test_the_encoding_is_that_of_the_specification() -> None:
    """PAE of the example in the DSSE protocol is as it is printed there."""
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_the_signer_is_checked_when_one_is_named() -> None:
    """Without a key or fingerprint the signer is not checked, and the result says so."""
    fingerprint = fingerprint_of(KEY.public_key())
    assert not check(SIGNED).signer_checked
    assert check(SIGNED, KEY.public_key()).signer_checked
    assert check(SIGNED, fingerprint=fingerprint).signer_checked
    assert check(SIGNED, KEY.public_key(), fingerprint).fingerprint == fingerprint


def test_another_signer_is_refused() -> None:
    """A document signed anew by somebody else is unchanged, but not by whom it should be."""
    theirs = sign(
        encode_report(structs.replace(sample_report(), signer=signer_of(OTHER_KEY.public_key()))), OTHER_KEY
    )
    assert not check(theirs).signer_checked
    with pytest.raises(InvalidReportError, match="not the one given"):
        check(theirs, KEY.public_key())
    with pytest.raises(InvalidReportError, match="not the one expected"):
        check(theirs, fingerprint=fingerprint_of(KEY.public_key()))


def test_a_key_put_into_a_signed_document_is_refused() -> None:
    """Who swaps the key in the document, or the key that the signature names, is found out."""
    swapped = encode_report(structs.replace(REPORT, signer=signer_of(OTHER_KEY.public_key())))
    signature = KEY.sign(pae(PAYLOAD_TYPE, PAYLOAD))
    for named in (fingerprint_of(KEY.public_key()), fingerprint_of(OTHER_KEY.public_key())):
        with pytest.raises(InvalidReportError):
            check(enveloped(swapped, signature, named))
    with pytest.raises(InvalidReportError, match="names another key"):
        check(enveloped(PAYLOAD, signature, fingerprint_of(OTHER_KEY.public_key())))


def test_a_signature_of_another_type_is_refused() -> None:
    """The type is signed with the payload: a signature over the payload as something else does not fit."""
    with pytest.raises(InvalidReportError, match="does not fit"):
        check(enveloped(PAYLOAD, KEY.sign(pae("text/plain", PAYLOAD))))
    with pytest.raises(InvalidReportError, match="does not fit"):
        check(enveloped(PAYLOAD, KEY.sign(PAYLOAD)))
    with pytest.raises(InvalidReportError, match="its type"):
        check(enveloped(PAYLOAD, KEY.sign(pae("text/plain", PAYLOAD)), type_="text/plain"))


@settings(deadline=None)
@given(st.integers(0, len(PAYLOAD) - 1), st.integers(1, 255))
def test_any_changed_byte_of_the_document_is_refused(place: int, change: int) -> None:
    """Whatever byte of the payload is made another, the signature does not fit."""
    changed = bytearray(PAYLOAD)
    changed[place] ^= change
    with pytest.raises(InvalidReportError):
        check(enveloped(bytes(changed), KEY.sign(pae(PAYLOAD_TYPE, PAYLOAD))))


@settings(deadline=None)
@given(st.integers(0, 63), st.integers(1, 255))
def test_any_changed_byte_of_the_signature_is_refused(place: int, change: int) -> None:
    """Whatever byte of the signature is made another, it does not fit."""
    changed = bytearray(KEY.sign(pae(PAYLOAD_TYPE, PAYLOAD)))
    changed[place] ^= change
    with pytest.raises(InvalidReportError):
        check(enveloped(PAYLOAD, bytes(changed)))


@settings(deadline=None)
@given(st.integers(0, len(SIGNED) - 2), st.integers(1, 127))
def test_any_changed_character_of_the_file_is_refused(place: int, change: int) -> None:
    """Also in letters that base64 does not use all bits of, in names of fields, and in the key's."""
    changed = bytearray(SIGNED)
    changed[place] ^= change
    with pytest.raises(InvalidReportError):
        check(bytes(changed))


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_refused_in_words(content: bytes) -> None:
    """What is no report is refused with a reason, never with a fault."""
    with pytest.raises(InvalidReportError):
        check(content)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["payload", "payloadType", "signatures", "sig", "keyid", "schema", "signer"]),
                inner,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_refused_in_words(document: object) -> None:
    """JSON of other shapes is refused, as the file and as the document in it, signed as it should be."""
    content = msgspec.json.encode(document)
    with pytest.raises(InvalidReportError):
        check(content)
    with pytest.raises(InvalidReportError):
        check(enveloped(content, KEY.sign(pae(PAYLOAD_TYPE, content))))


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b"{" * 100_000, b" " * (MAX_ENVELOPE_BYTES + 1), b'{"payload":' + b"[" * 50_000],
)
def test_deep_and_long_files_are_refused(content: bytes) -> None:
    """Neither nesting nor length makes the check fail otherwise than in words."""
    with pytest.raises(InvalidReportError):
        check(content)


def test_the_longest_document_fits() -> None:
    """A document at its limit makes an envelope within its own."""
    assert len(enveloped(b"x" * MAX_DOCUMENT_BYTES, bytes(64))) <= MAX_ENVELOPE_BYTES


def test_openssl_says_the_same(tmp_path: Path, require: Callable[[bool, str], None]) -> None:
    """The lines of docs/report.md accept what we signed, and refuse it changed."""
    require(shutil.which("openssl") is not None, "openssl is not installed")
    (lines,) = re.findall(r"```sh\n(.*?pkeyutl.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "report-key.pem").write_bytes(public_pem(KEY.public_key()))

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", "-ec", lines], cwd=tmp_path, capture_output=True, text=True, check=False)

    (tmp_path / "report.json").write_bytes(SIGNED)
    accepted = run()
    assert accepted.returncode == 0, accepted.stderr
    assert "Signature Verified Successfully" in accepted.stdout
    assert check(SIGNED).digest in accepted.stdout
    assert fingerprint_of(KEY.public_key()) in accepted.stdout
    changed = PAYLOAD.replace(b'"sessions":120', b'"sessions":121', 1)
    (tmp_path / "report.json").write_bytes(enveloped(changed, KEY.sign(pae(PAYLOAD_TYPE, PAYLOAD))))
    refused = run()
    assert refused.returncode != 0
    assert "Verified Successfully" not in refused.stdout
