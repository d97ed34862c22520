"""The table of filters."""

from msgspec.structs import fields

from hopsight.model.dimensions import FILTERS, NETWORK_SESSIONS, Dimensions
from hopsight.model.kinds import KINDS


def test_every_filter_compares_a_stored_dimension() -> None:
    """A row of the table names a field that is kept."""
    kept = {field.name for field in fields(Dimensions)}
    assert {row.column for row in FILTERS.values()} <= kept


def test_every_dimension_can_be_filtered_by() -> None:
    """Nothing is kept beside a record that no filter asks for."""
    assert {field.name for field in fields(Dimensions)} == {row.column for row in FILTERS.values()}


def test_network_sessions_take_all_keys_of_the_contract() -> None:
    """The keys of API.md section 2 that name network sessions are all there."""
    taken = {key for key, row in FILTERS.items() if NETWORK_SESSIONS in row.kinds}
    assert taken == {
        *("agentId", "networkId", "ssid", "bssid", "location", "connection", "trigger", "platform"),
        *("gateway", "proxyTarget", "vpnTarget", "domain", "visitedSite", "destinationIp"),
    }


def test_enumerated_values_compare_without_regard_to_case() -> None:
    """v6 documents Wireless, v7 sends wireless; what is in no list stays as it is and matches nothing."""
    normalize = FILTERS["connection"].normalize
    assert normalize("wireless") == normalize("WIRELESS") == "Wireless"
    assert normalize("carrier pigeon") == "carrier pigeon"
    assert FILTERS["ssid"].normalize("Guest") == "Guest"


def test_kinds_are_found_by_their_name() -> None:
    """The table's keys are the names in it."""
    assert all(key == kind.name for key, kind in KINDS.items())
