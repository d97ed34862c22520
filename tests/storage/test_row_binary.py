"""RowBinary: whatever is written is read back, to the last bit."""

from hypothesis import given
from hypothesis import strategies as st

from hopsight.model.dimensions import Dimensions
from hopsight.model.query import Record
from hopsight.storage.clickhouse.row_binary import (
    READ_DIMENSIONS,
    READ_NUMBERS,
    nullable,
    read_bytes,
    read_int64,
    read_rows,
    read_text,
    write_bytes,
    write_record,
)

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
NUMBER = st.none() | st.floats(allow_nan=False)
WHOLE = st.integers(-(2**63), 2**63 - 1)

RECORDS = st.builds(
    Record,
    aid=WHOLE,
    round_id=WHOLE,
    record_id=TEXT,
    dimensions=st.builds(
        Dimensions,
        agent_id=TEXT,
        **{name: st.none() | TEXT for name in Dimensions.__struct_fields__ if name != "agent_id"},
    ),
    loss_percent=NUMBER,
    latency_ms=NUMBER,
    jitter_ms=NUMBER,
    body=st.binary(max_size=300),
    detail=st.none() | st.binary(max_size=300),
)


@given(st.lists(RECORDS, max_size=5))
def test_records_come_back_as_they_were(records: list[Record]) -> None:
    """Texts with NULs, quotes and half surrogate pairs, empty and unknown values, the largest numbers."""
    written = b"".join(write_record(record, has_detail=True) for record in records)
    columns = (read_int64, read_int64, read_text, *READ_DIMENSIONS, *READ_NUMBERS, read_bytes)
    found = []
    for aid, round_id, record_id, *rest in read_rows(written, (*columns, nullable(read_bytes))):
        *dimensions, loss_percent, latency_ms, jitter_ms, body, detail = rest
        found.append(
            Record(
                aid=aid,
                round_id=round_id,
                record_id=record_id,
                dimensions=Dimensions(**dict(zip(Dimensions.__struct_fields__, dimensions, strict=True))),
                loss_percent=loss_percent,
                latency_ms=latency_ms,
                jitter_ms=jitter_ms,
                body=body,
                detail=detail,
            )
        )
    assert found == records


@given(st.sampled_from([0, 1, 127, 128, 129, 16_383, 16_384, 2_097_151, 2_097_152]))
def test_lengths_are_leb128(length: int) -> None:
    """A length takes a byte for each seven bits, the lowest first."""
    written = write_bytes(b"x" * length)
    assert len(written) - length == max(1, -(-length.bit_length() // 7))
    assert read_bytes(written, 0) == (b"x" * length, len(written))
