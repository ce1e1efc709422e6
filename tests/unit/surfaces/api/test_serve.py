from __future__ import annotations

import socket

import pytest

from memoledger.model.errors import SettingsError
from memoledger.surfaces.api.serve import Listening, bound_socket, require_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_development_is_for_loopback(host: str) -> None:
    require_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "", "127.0.0.1.nip.io"]
)
def test_development_is_for_nothing_else(host: str) -> None:
    with pytest.raises(SettingsError, match="development"):
        require_loopback(host)


def test_a_taken_port_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingsError, match="in use"):
            bound_socket("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(SettingsError):
        bound_socket("no such host.invalid", 0)


def test_the_address_for_clients() -> None:
    assert Listening("127.0.0.1", 8427, development=False).url == "http://127.0.0.1:8427"
    assert Listening("::1", 1, development=True).url == "http://[::1]:1"
