"""A path as a drawing."""

from hopsight.model.network_documents import PathHop
from hopsight.server.web.path_drawing import BAR_HEIGHT, HOP_WIDTH, LINE_Y, draw_path

HOPS = (
    PathHop(hop=1, delay_ms=1, rtt_ms=0.6, ip_address="10.0.0.1", name="gateway.example"),
    PathHop(hop=2),
    PathHop(hop=3, delay_ms=12, ip_address="192.0.2.10", asn=64500, prefix="192.0.2.0/24", mpls=("L=16",)),
)


def test_every_hop_has_its_place_and_its_bar() -> None:
    """Hops stand side by side, and bars are of one scale: the longest is the whole height."""
    drawing = draw_path(HOPS)
    assert drawing.width == 3 * HOP_WIDTH
    assert [hop.x for hop in drawing.hops] == [75, 225, 375]
    assert [hop.rtt for hop in drawing.hops] == ["0.6", None, "12.0"]
    assert drawing.hops[2].bar_height == BAR_HEIGHT
    assert drawing.hops[0].bar_height == BAR_HEIGHT * 0.6 / 12
    assert all(hop.bar_y + hop.bar_height == LINE_Y - 10 for hop in drawing.hops)


def test_a_silent_hop_is_said_as_such() -> None:
    """It has its number and no bar, name or address."""
    drawing = draw_path(HOPS)
    silent = drawing.hops[1]
    assert (silent.is_silent, silent.hop, silent.bar_height, silent.name) == (True, 2, 0.0, "")
    assert drawing.silent == 1


def test_names_are_cut_to_what_fits() -> None:
    """The drawing shows as much as fits, the table all; without a name it is the address."""
    long = draw_path([PathHop(hop=1, ip_address="192.0.2.1", name="a" * 80)]).hops[0]
    assert long.short_name == "a" * 20 + "…"
    assert long.name == "a" * 80
    bare = draw_path(HOPS).hops[2]
    assert (bare.name, bare.asn, bare.prefix, bare.mpls) == (
        "192.0.2.10",
        "AS64500",
        "192.0.2.0/24",
        ("L=16",),
    )
    assert draw_path([]).hops == []
