"""Tests of the choice between JSON and XML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.exceptions import HTTPException

from hopsight.errors import InvalidValueError
from hopsight.server.api.formats import Format, choose_format

JSON, XML = Format.JSON, Format.XML
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("suffix", "accept", "asked", "chosen"),
    [
        (None, "", None, JSON),
        (None, "*/*", None, JSON),
        (None, "*/*", "xml", XML),
        (None, "", "xml", XML),
        (None, "", "", JSON),
        (XML, "application/json", "json", XML),
        (JSON, "text/html", "xml", JSON),
        (None, "application/json", "xml", JSON),
        (None, "application/hal+json", None, JSON),
        (None, "Application/JSON", "xml", JSON),
        (None, "text/xml", None, XML),
        (None, "application/xml", "json", XML),
        (None, "text/xml;charset=utf-8", "json", XML),
        (None, "text/*", None, XML),
        (None, "application/*", None, JSON),
        (None, "application/*", "xml", XML),
        (None, "application/json;q=0.4, text/xml;q=0.5", None, XML),
        (None, "application/json;q=0.5, text/xml;q=0.4", "xml", JSON),
        (None, "application/json, text/xml", "xml", XML),
        (None, "application/json, text/plain, */*", "xml", JSON),
        (None, "application/json;q=0, */*", None, XML),
        (None, BROWSER, None, XML),
        (None, "*/*;q=0.1, application/hal+json;q=0.2", "xml", JSON),
    ],
)
def test_suffix_then_accept_then_parameter(
    suffix: Format | None, accept: str, asked: str | None, chosen: Format
) -> None:
    """The first of the three that states a preference decides; JSON when none does."""
    assert choose_format(suffix, accept, asked) is chosen


@pytest.mark.parametrize(
    "accept", ["text/html", "image/*", "application/json;q=0", "*/*;q=0", "json", "application/pdf, text/csv"]
)
def test_accept_that_admits_neither_is_406(accept: str) -> None:
    """A client that can read nothing of ours is told what there is."""
    with pytest.raises(HTTPException, match="application/json") as caught:
        choose_format(None, accept, None)
    assert caught.value.status_code == 406


@pytest.mark.parametrize("asked", ["JSON", "Xml", "yaml", " json", "json,xml"])
@pytest.mark.parametrize("suffix", [None, JSON])
def test_the_parameter_is_lower_case_json_or_xml(asked: str, suffix: Format | None) -> None:
    """Anything else is wrong, even where the suffix has decided already."""
    with pytest.raises(InvalidValueError, match="lower case"):
        choose_format(suffix, "", asked)


@given(st.text(max_size=80))
def test_any_accept_gives_a_format_or_406(accept: str) -> None:
    """No header, however odd, ends in anything else."""
    try:
        chosen: Format | int = choose_format(None, accept, None)
    except HTTPException as error:
        chosen = error.status_code
    assert chosen in {*Format, 406}
