"""All that the server knows of places: of public addresses by files, of networks by their names."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Self

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.listings import NetworkName
from hopsight.clock import Clock
from hopsight.config import ServerConfig
from hopsight.errors import ConfigError
from hopsight.maxmind.asn import AsnDatabase, AsnEntry
from hopsight.maxmind.city import CityDatabase
from hopsight.model.user_sessions import Coordinates
from hopsight.server.addresses import canonical_address
from hopsight.server.places.reopened import Reopened

ASN_SETTING: Final = "--asn-db"
CITY_SETTING: Final = "--city-db"

NamesOf = Callable[[int], Mapping[str, NetworkName]]


def no_names(_: int) -> Mapping[str, NetworkName]:
    """Of no account group is any network named."""
    return {}


class Atlas:
    """Files that the operator gave, if any, and names that administrators gave.

    Args:
        asn: who announces which address.
        city: where which address is.
        names_of: named networks of an account group, by ID.
    """

    def __init__(
        self,
        asn: Reopened[AsnEntry] | None = None,
        city: Reopened[Coordinates] | None = None,
        names_of: NamesOf = no_names,
    ) -> None:
        self._asn = asn
        self._city = city
        self.names_of = names_of

    @classmethod
    def open(cls, config: ServerConfig, accounts: Accounts, clock: Clock) -> Self:
        """Open the files that there are settings for.

        Raises:
            ConfigError: one is not there, is damaged, or has other things in it.
        """
        asn = None if config.asn_db is None else Reopened(config.asn_db, _open_asn, clock)
        try:
            city = None if config.city_db is None else Reopened(config.city_db, _open_city, clock)
        except ConfigError:
            if asn is not None:
                asn.close()
            raise
        return cls(asn, city, accounts.networks.by_id)

    @property
    def knows_networks(self) -> bool:
        """Whether there is a file that says who announces what."""
        return self._asn is not None

    @property
    def knows_places(self) -> bool:
        """Whether there is a file that says what is where."""
        return self._city is not None

    def network_of(self, address: str | None) -> AsnEntry | None:
        """Who announces an address; None: not public, or not known."""
        return None if self._asn is None or address is None else self._asn.find(address)

    def range_of(self, address: str | None) -> str | None:
        """The range, first-last, that an address (in any spelling) is announced in; None: as above."""
        found = self.network_of(address and canonical_address(address))
        return None if found is None else found.ip_range

    def place_of(self, address: str | None) -> Coordinates | None:
        """Where an address is; None: not public, or not known."""
        return None if self._city is None or address is None else self._city.find(address)

    def close(self) -> None:
        """Let the files go."""
        for file in (self._asn, self._city):
            if file is not None:
                file.close()


def _open_asn(path: Path) -> AsnDatabase:
    return AsnDatabase(path, ASN_SETTING, mapped=False)


def _open_city(path: Path) -> CityDatabase:
    return CityDatabase(path, CITY_SETTING)
