"""The key of reports: made once, for its owner alone, and refused when it is none."""

import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from tests.server.reports.documents import KEY

from hopsight.errors import ConfigError
from hopsight.server.reports.key import KEY_FILE, own_key, read_key
from hopsight.server.reports.signing import fingerprint_of

PrivateKey = Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def written(
    path: Path, key: PrivateKey, encryption: KeySerializationEncryption | None = None, mode: int = 0o600
) -> Path:
    """A key in a file."""
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    path.chmod(mode)
    return path


def test_it_is_made_once(tmp_path: Path) -> None:
    """The first look makes a file of mode 0600, later ones read it, and nothing else is left."""
    first = fingerprint_of(own_key(tmp_path).public_key())
    assert fingerprint_of(own_key(tmp_path).public_key()) == first
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_who_comes_at_the_same_time_gets_the_same(tmp_path: Path) -> None:
    """However many look first, there is one key."""
    together, found = threading.Barrier(8), set()

    def look() -> None:
        together.wait()
        found.add(fingerprint_of(own_key(tmp_path).public_key()))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_a_given_key_is_used(tmp_path: Path) -> None:
    """What openssl or another program has written is read; its group may read it, too."""
    path = written(tmp_path / "given.pem", KEY, mode=0o640)
    assert fingerprint_of(read_key(path).public_key()) == fingerprint_of(KEY.public_key())


def test_what_is_no_such_key_is_refused(tmp_path: Path) -> None:
    """Other algorithms, an encrypted key, a public one, other texts: each is told what is accepted."""
    others = [
        written(tmp_path / "rsa.pem", rsa.generate_private_key(65_537, 2_048)),
        written(tmp_path / "ec.pem", ec.generate_private_key(ec.SECP256R1())),
        written(tmp_path / "locked.pem", KEY, BestAvailableEncryption(b"secret")),
    ]
    for name, content in (
        ("empty.pem", b""),
        ("text.pem", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"),
        ("x", b"\0"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        path.chmod(0o600)
        others.append(path)
    for path in others:
        with pytest.raises(ConfigError, match="Ed25519 private key in PEM, not encrypted"):
            read_key(path)


def test_a_key_that_all_may_read_is_refused(tmp_path: Path) -> None:
    """The message says how to mend it."""
    path = written(tmp_path / "open.pem", KEY, mode=0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_key(path)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    """No file, and a directory in its place."""
    with pytest.raises(ConfigError, match="a readable file"):
        read_key(tmp_path / "none.pem")
    with pytest.raises(ConfigError, match="a regular file"):
        read_key(tmp_path)
