"""What agents did not say, and the server knows: written into details before they are kept."""

from msgspec import structs

from hopsight.model.network_documents import NetworkProfileDocument, PathHop, Traceroute
from hopsight.model.topology import NetworkProbeDetail
from hopsight.model.user_sessions import Coordinates, SessionDetail, SessionNetwork
from hopsight.server.places.atlas import Atlas
from hopsight.server.places.origins import Origin, merged


def fill_session(detail: SessionDetail, origin: Origin, atlas: Atlas) -> SessionDetail:
    """A session's detail with its place, its public range, and who announces the hops of its path."""
    network = detail.network
    profile = _profile(network.network_profile, origin, atlas)
    traceroute = _traceroute(network.traceroute, atlas)
    if profile is not network.network_profile or traceroute is not network.traceroute:
        network = structs.replace(network, network_profile=profile, traceroute=traceroute)
    return _with(detail, origin, network)


def fill_probe(detail: NetworkProbeDetail, origin: Origin, atlas: Atlas) -> NetworkProbeDetail:
    """The same for a probe of the local infrastructure."""
    profile = _profile(detail.network_profile, origin, atlas)
    coordinates = _coordinates(detail.coordinates, origin)
    if profile is detail.network_profile and coordinates == detail.coordinates:
        return detail
    return structs.replace(detail, network_profile=profile, coordinates=coordinates)


def _with(detail: SessionDetail, origin: Origin, network: SessionNetwork) -> SessionDetail:
    coordinates = _coordinates(detail.coordinates, origin)
    if network is detail.network and coordinates == detail.coordinates:
        return detail
    return structs.replace(detail, network=network, coordinates=coordinates)


def _coordinates(said: Coordinates | None, origin: Origin) -> Coordinates | None:
    # Mostly none are said: and this is asked for every record.
    return origin.coordinates if said is None else merged(said, origin.coordinates)


def _profile(
    profile: NetworkProfileDocument | None, origin: Origin, atlas: Atlas
) -> NetworkProfileDocument | None:
    if profile is None or not atlas.knows_networks or profile.public_ip_range is not None:
        return profile
    address = profile.public_ip_address or origin.public_address
    if address is None:
        return profile
    return structs.replace(profile, public_ip_address=address, public_ip_range=atlas.range_of(address))


def _traceroute(traceroute: Traceroute | None, atlas: Atlas) -> Traceroute | None:
    if traceroute is None or not atlas.knows_networks:
        return traceroute
    hops = tuple(_hop(hop, atlas) for hop in traceroute.hops)
    if all(new is old for new, old in zip(hops, traceroute.hops, strict=True)):
        return traceroute
    return structs.replace(traceroute, hops=hops)


def _hop(hop: PathHop, atlas: Atlas) -> PathHop:
    if hop.asn is not None or hop.prefix is not None:
        return hop
    found = atlas.network_of(hop.ip_address)
    return hop if found is None else structs.replace(hop, asn=found.asn, prefix=found.prefix)
