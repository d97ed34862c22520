"""Connection strings."""

import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.errors import InvalidValueError
from hopsight.model.connection import ConnectionString, format_connection_string, parse_connection_string

KEY = "k" * 43


def test_a_connection_string_comes_back_as_it_went() -> None:
    """Reading what was written gives the same parts, padded or not, with white space around it."""
    connection = ConnectionString(url="https://hopsight.example:8480", key=KEY, fingerprint="0f" * 32)
    text = format_connection_string(connection)
    assert parse_connection_string(text) == connection
    assert parse_connection_string(f"  {text}==\n") == connection


def test_it_is_base64_of_json() -> None:
    """Anybody can see what is in it with standard tools."""
    text = format_connection_string(ConnectionString(url="http://127.0.0.1:8480", key=KEY))
    decoded = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    assert decoded == {"url": "http://127.0.0.1:8480", "key": KEY}


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"url": "ftp://x", "key": KEY},
        {"url": "http://x"},
        {"url": "http://x", "key": "short"},
        {"url": "http://x", "key": KEY, "fingerprint": "zz"},
    ],
)
def test_a_wrong_document_is_refused_without_repeating_it(document: object) -> None:
    """The message says where a right one comes from, and shows no key."""
    text = base64.urlsafe_b64encode(json.dumps(document).encode()).decode()
    with pytest.raises(InvalidValueError) as caught:
        parse_connection_string(text)
    assert "connection-string create" in str(caught.value)
    assert KEY not in str(caught.value)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text ends in anything but a connection string or our own error."""
    with suppress(InvalidValueError):
        assert parse_connection_string(text).key
