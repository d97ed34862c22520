"""Every published field is served, or its absence has a reason: the page ``docs/reference/fields.md``."""

import pytest
from docs.field_page import all_fields

FIELDS = all_fields()


@pytest.mark.parametrize("path", FIELDS)
def test_every_published_field_is_accounted_for(path: str) -> None:
    """No field of a sample or of the SDK is missing without a reason, and no reason stands for nothing."""
    fields = FIELDS[path]
    assert not fields.unexplained
    assert not fields.idle
    assert fields.served or path == "everywhere"
