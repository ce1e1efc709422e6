"""Sealed values: they open for who has the secret, at their place, unchanged, and else not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memoledger.services.sealing import seal, unseal

SECRETS = st.binary(min_size=16, max_size=64)


@given(SECRETS, st.text(max_size=50), st.binary(max_size=500))
def test_what_was_sealed_opens(secret: bytes, name: str, content: bytes) -> None:
    sealed = seal(secret, name, content)
    assert unseal(secret, name, sealed) == content
    assert content not in sealed or len(content) < 4


@given(SECRETS, SECRETS, st.text(max_size=50), st.text(max_size=50))
def test_another_secret_or_place_opens_nothing(
    secret: bytes, other: bytes, name: str, place: str
) -> None:
    sealed = seal(secret, name, b"tea")
    assert (unseal(other, name, sealed) == b"tea") is (other == secret)
    assert (unseal(secret, place, sealed) == b"tea") is (place == name)


@given(st.binary(max_size=200))
def test_garbage_opens_nothing(garbage: bytes) -> None:
    assert unseal(bytes(16), "name", garbage) is None


@given(st.data())
def test_a_changed_bit_opens_nothing(data: st.DataObject) -> None:
    sealed = bytearray(seal(bytes(16), "name", b"a cup of tea"))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= 1 << data.draw(st.integers(0, 7))
    assert unseal(bytes(16), "name", bytes(sealed)) is None


def test_the_same_is_never_sealed_alike() -> None:
    """So that nobody can tell from two values that they are the same."""
    assert len({seal(bytes(16), "name", b"tea") for _ in range(100)}) == 100
