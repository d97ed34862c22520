"""The book of names: bounded, and not for ever."""

from hopsight.agent.passive.name_book import NameBook
from hopsight.testing import FakeClock


def test_the_newest_names_come_first_and_only_a_few_are_kept() -> None:
    """The last four names of an address, each once."""
    book = NameBook(FakeClock())
    for name in ("a.example", "b.example", "c.example", "d.example", "e.example", "c.example"):
        book.note(name, ["192.0.2.1"])
    assert book.names_of("192.0.2.1") == ("c.example", "e.example", "d.example", "b.example")


def test_the_addresses_not_heard_of_for_longest_go_first() -> None:
    """The book never has more than its limit."""
    book = NameBook(FakeClock(), limit=2)
    book.note("a.example", ["192.0.2.1", "192.0.2.2"])
    book.note("a.example", ["192.0.2.1"])
    book.note("b.example", ["192.0.2.3"])
    assert [bool(book.names_of(f"192.0.2.{n}")) for n in (1, 2, 3)] == [True, False, True]


def test_old_names_are_not_believed() -> None:
    """After six hours an address may be somebody else's; sleeping counts."""
    clock = FakeClock()
    book = NameBook(clock)
    book.note("a.example", ["192.0.2.1"])
    clock.suspend(6 * 3_600 - 1)
    assert book.names_of("192.0.2.1")
    clock.suspend(2)
    assert book.names_of("192.0.2.1") == ()
