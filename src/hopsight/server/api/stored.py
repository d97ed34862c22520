"""One stored record, for whichever dialect asks for it by its ID."""

from hopsight.errors import NotFoundError
from hopsight.model.kinds import KINDS
from hopsight.model.query import Cursor, Record
from hopsight.server.api.asking import Asked


async def read_stored(asked: Asked, kind: str, place: Cursor) -> Record:
    """One record of the account group that is asked about.

    Raises:
        NotFoundError: there is none of this ID.
    """
    record = await asked.services.store.get(kind, asked.aid, place.round_id, place.record_id)
    if record is None:
        name = KINDS[kind].list_key
        raise NotFoundError(f"There is no {place.record_id!r} among the {name} of this account group")
    return record
