"""Names of networks: what may be said, what stays, who sees it, and what the log has of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.listings import NetworkName
from hopsight.errors import ConflictError, InvalidValueError, NotFoundError
from hopsight.testing import FakeClock

NETWORK = "0123456789ab"


@pytest.fixture
def aid(accounts: Accounts) -> int:
    """An account group."""
    return accounts.create_account_group("Office", accounts.create_organization("Example"))


def test_what_is_not_given_again_stays(accounts: Accounts, aid: int) -> None:
    """Naming a network twice adds to what was said, and replaces what is said anew."""
    accounts.networks.set(NetworkName(aid=aid, network_id=NETWORK.upper(), location=" Graz ", org_name="A"))
    accounts.networks.set(
        NetworkName(aid=aid, network_id=NETWORK, latitude=-90.0, longitude=180.0, org_name="B")
    )
    expected = NetworkName(
        aid=aid, network_id=NETWORK, location="Graz", latitude=-90.0, longitude=180.0, org_name="B"
    )
    assert accounts.networks.listing() == accounts.networks.listing(aid) == [expected]
    assert accounts.networks.by_id(aid) == {NETWORK: expected}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"network_id": "0123456789a"},
        {"network_id": "0123456789ab\n", "location": "x"},
        {"network_id": "0123456789az", "location": "x"},
        {"location": ""},
        {"location": "a\nb"},
        {"location": "x" * 256},
        {"org_name": "\x00"},
        {"latitude": 1.0},
        {"longitude": 1.0},
        {"latitude": 90.1, "longitude": 0.0},
        {"latitude": float("nan"), "longitude": 0.0},
        {"latitude": 0.0, "longitude": float("-inf")},
    ],
)
def test_what_cannot_be_a_name_is_refused(accounts: Accounts, aid: int, given: dict[str, object]) -> None:
    """Nothing at all, wrong IDs, texts that cannot be shown, half a place and places off the earth."""
    whole = {"aid": aid, "network_id": NETWORK, **given}
    with pytest.raises(InvalidValueError):
        accounts.networks.set(NetworkName(**whole))  # type: ignore[arg-type]
    assert accounts.networks.listing() == []


def test_names_belong_to_an_account_group(accounts: Accounts, aid: int) -> None:
    """Another group's names are not seen; a group that is not there cannot have any."""
    other = accounts.create_account_group("Other")
    accounts.networks.set(NetworkName(aid=aid, network_id=NETWORK, location="Graz"))
    assert accounts.networks.by_id(other) == {}
    with pytest.raises(NotFoundError):
        accounts.networks.remove(other, NETWORK)
    with pytest.raises(NotFoundError):
        accounts.networks.set(NetworkName(aid=other + 1, network_id=NETWORK, location="Graz"))


def test_another_process_sees_a_change(
    accounts: Accounts, aid: int, accounts_url: str | None, data: Path, until_heard: Callable[[], None]
) -> None:
    """What is kept in memory holds only until somebody, anywhere, names or unnames a network."""
    console = Accounts.open(accounts_url, data, FakeClock())
    assert accounts.networks.by_id(aid) == {}
    console.networks.set(NetworkName(aid=aid, network_id=NETWORK, location="Graz"))
    until_heard()
    assert accounts.networks.by_id(aid)[NETWORK].location == "Graz"
    console.networks.remove(aid, NETWORK.upper())
    until_heard()
    assert accounts.networks.by_id(aid) == {}
    console.close()


def test_naming_is_in_the_log(accounts: Accounts, aid: int) -> None:
    """Who reads the log of the account group sees names come and go."""
    accounts.networks.set(NetworkName(aid=aid, network_id=NETWORK, location="Graz"))
    accounts.networks.remove(aid, NETWORK)
    events = accounts.audit_events([aid], first_s=0, last_s=2**40)
    told = [
        (event.event, event.resources[0].name) for event in events if event.resources[0].type == "network"
    ]
    assert told == [("Network named", f"Graz ({NETWORK})"), ("Network unnamed", f"Graz ({NETWORK})")]


def test_an_account_group_goes_with_its_names(accounts: Accounts, aid: int) -> None:
    """Names do not keep a group from being deleted."""
    accounts.networks.set(NetworkName(aid=aid, network_id=NETWORK, location="Graz"))
    accounts.delete_account_group(aid)
    assert accounts.networks.listing() == []


def test_there_is_an_end_to_names(accounts: Accounts, aid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All names of a group are kept in memory: one too many is refused, more about a named one is not."""
    monkeypatch.setattr("hopsight.accounts.network_names.MAX_NAMES", 1)
    accounts.networks.set(NetworkName(aid=aid, network_id=NETWORK, location="Graz"))
    accounts.networks.set(NetworkName(aid=aid, network_id=NETWORK, location="Linz"))
    with pytest.raises(ConflictError):
        accounts.networks.set(NetworkName(aid=aid, network_id="f" * 12, location="Graz"))
