"""Probes of gateways, proxies and VPN endpoints as they are uploaded."""

from typing import Final

from msgspec import structs

from hopsight.errors import InvalidValueError
from hopsight.model.dimensions import NETWORK_PROBES
from hopsight.model.ids import round_of
from hopsight.model.query import Record
from hopsight.model.topology import (
    TOPOLOGY_ROUND_S,
    NetworkProbe,
    TargetKind,
    is_network_probe_id,
    network_probe_id,
)
from hopsight.model.upload import NetworkProbeRecord
from hopsight.server.addresses import with_canonical_addresses
from hopsight.server.checks import Sender, fault_of_origin
from hopsight.server.kinds.contract import BatchDimensions, KindCheck, encode, numbers_of
from hopsight.server.places.filling import fill_probe


def check_network_probe(
    given: NetworkProbeRecord, sender: Sender, dimensions: BatchDimensions
) -> Record | str:
    """What is stored of one; a text: why it cannot be."""
    probe = given.document
    # Rounds are longer here: the one that holds the oldest round of sessions is still kept.
    oldest = round_of(sender.oldest_round, TOPOLOGY_ROUND_S)
    fault = fault_of_origin(probe, sender, oldest) or _fault_of_id(
        probe, given.detail.target_kind, sender.aid
    )
    if fault is not None:
        return fault
    numbers = numbers_of(probe.icmp_ping, "icmpPing")
    common = dimensions.of_context(given.context)
    if isinstance(numbers, str):
        return numbers
    if isinstance(common, str):
        return common
    try:
        document, said = with_canonical_addresses(probe), with_canonical_addresses(given.detail)
    except InvalidValueError as error:
        return f"{error.name}: not an IP address"
    return Record(
        aid=sender.aid,
        round_id=probe.round_id,
        record_id=probe.network_probe_id,
        dimensions=structs.replace(
            common,
            network_id=probe.network_probe_id.split(":")[1],
            trigger="auto",
            target_kind=given.detail.target_kind,
        ),
        loss_percent=numbers.loss_percent,
        latency_ms=numbers.latency_ms,
        jitter_ms=numbers.jitter_ms,
        body=encode(document),
        detail=encode(fill_probe(said, dimensions.origin_of(given.context), dimensions.atlas)),
    )


def _fault_of_id(probe: NetworkProbe, target_kind: TargetKind, aid: int) -> str | None:
    given = probe.network_probe_id
    if is_network_probe_id(given):
        network = given.split(":")[1]
        if given == network_probe_id(aid, network, probe.round_id, probe.agent_id, target_kind):
            return None
    return (
        "networkProbeId: not account group, networkId, roundId and the first 8 characters of agentId, with"
        f" what targetKind {target_kind} adds"
    )


CHECK: Final = KindCheck(
    kind=NETWORK_PROBES, list_name="network_probes", record=NetworkProbeRecord, check=check_network_probe
)
