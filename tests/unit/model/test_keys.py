"""Keys: their text, what is kept of it, scopes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.caller import EVERY_SCOPE, Caller
from memoledger.model.errors import Forbidden, InvalidInput
from memoledger.model.keys import (
    SCOPES,
    ApiKey,
    FreshKey,
    check_scopes,
    digest_of,
    key_id_of,
    key_text,
    ordered,
)
from memoledger.model.principal import Principal

NOW = datetime(2026, 5, 8, tzinfo=UTC)


def key(**given: Any) -> ApiKey:
    values = {"created_at": NOW, "created_by": "alice", **given}
    return ApiKey(uuid4(), "ci", "acme", "alice", frozenset({"read"}), **values)


@given(st.uuids())
def test_a_text_tells_its_id_and_is_never_the_same(key_id: UUID) -> None:
    first, second = key_text(key_id), key_text(key_id)
    assert re.fullmatch(r"mlk_[0-9a-f]{32}_[0-9A-Za-z]{43}", first)
    assert first != second
    assert key_id_of(first) == key_id_of(second) == key_id
    assert digest_of(first) != digest_of(second)
    assert len(digest_of(first)) == 32


@given(st.text() | st.from_regex(r"mlk_[0-9a-f]{30,34}_[0-9A-Za-z]{42,44}\n?", fullmatch=True))
def test_what_is_not_written_like_a_key_has_no_id(text: str) -> None:
    like_a_key = re.fullmatch(r"mlk_[0-9a-f]{32}_[0-9A-Za-z]{43}", text)
    assert (key_id_of(text) is not None) == bool(like_a_key)
    assert len(digest_of(text)) == 32  # of anything, lone surrogates included


def test_the_alphabet_gives_every_secret_256_bits() -> None:
    assert 62**43 > 2**256


def test_a_fresh_key_does_not_show_its_secret_unasked() -> None:
    fresh = FreshKey(
        uuid4(), "ci", "acme", "alice", frozenset({"read"}), NOW, "alice", secret="mlk_hidden"
    )
    assert "mlk_hidden" not in repr(fresh)
    assert fresh.secret == "mlk_hidden"


def test_a_key_is_good_until_it_expires_or_is_revoked() -> None:
    assert key().is_good_at(NOW)
    until = key(expires_at=NOW)
    assert until.is_good_at(NOW - timedelta(microseconds=1))
    assert not until.is_good_at(NOW)
    assert not key(revoked_at=NOW).is_good_at(NOW - timedelta(days=1))


class TestScopes:
    def test_in_any_order_and_repeated(self) -> None:
        assert check_scopes("scopes", ["write", "read", "write"]) == {"read", "write"}
        assert ordered({"admin", "read", "write"}) == SCOPES

    @pytest.mark.parametrize(
        "value", [[], "read", b"read", None, 1, {"read": 1}, ["root"], ["READ"], [1], [[]], [None]]
    )
    def test_others_are_refused_by_name(self, value: object) -> None:
        with pytest.raises(InvalidInput, match="read, write, admin"):
            check_scopes("scopes", value)


class TestCaller:
    def test_a_scope_includes_no_other(self) -> None:
        caller = Caller(Principal("acme", "alice"), frozenset({"admin"}), "key", uuid4())
        caller.require("admin")
        for scope in ("read", "write"):
            with pytest.raises(Forbidden, match="yours: admin") as caught:
                caller.require(scope)  # type: ignore[arg-type]
            assert caught.value.details["scope"] == scope
            assert not caller.may(scope)  # type: ignore[arg-type]

    def test_with_every_scope_everything_goes(self) -> None:
        caller = Caller(Principal("acme", "alice"), EVERY_SCOPE, "development")
        for scope in SCOPES:
            caller.require(scope)

    def test_without_any_nothing_goes(self) -> None:
        with pytest.raises(Forbidden, match="yours: none"):
            Caller(Principal("acme", "alice"), frozenset(), "token").require("read")
