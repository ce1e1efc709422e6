from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from memoledger.model.errors import Malformed
from memoledger.surfaces.api.etags import etag_of, is_known, wanted_versions


def asking(name: str, *values: str) -> Request:
    headers = [(name.encode(), value.encode("latin-1")) for value in values]
    return Request({"type": "http", "headers": headers})


@given(st.lists(st.integers(1, 2**31 - 2), min_size=1, max_size=5))
def test_versions_are_found_in_what_was_given_out(versions: list[int]) -> None:
    given_out = " , ".join(map(etag_of, versions))
    assert wanted_versions(asking("if-match", given_out)) == frozenset(versions)
    assert is_known(asking("if-none-match", given_out), versions[0])
    assert not is_known(asking("if-none-match", given_out), max(versions) + 1)


def test_where_any_version_will_do() -> None:
    assert wanted_versions(asking("if-match", "*")) is None
    assert wanted_versions(asking("if-match", "")) is None
    assert wanted_versions(asking("other", '"1"')) is None
    assert is_known(asking("if-none-match", "*"), 3)
    assert not is_known(asking("other", "*"), 3)


def test_weak_and_foreign_tags_match_nothing() -> None:
    tags = ('W/"3"', '"three"', '"99999999999999"', '"٣"'.encode().decode("latin-1"))
    assert wanted_versions(asking("if-match", *tags)) == frozenset()
    # A reader compares weakly (RFC 9110, 13.1.2).
    assert is_known(asking("if-none-match", 'W/"3"'), 3)


@pytest.mark.parametrize("value", ["3", '"3', '"3" "4"', '"3",x', "W/3", "*, *", '"a b"'])
def test_what_is_no_list_of_tags_is_malformed(value: str) -> None:
    with pytest.raises(Malformed) as caught:
        wanted_versions(asking("if-match", value))
    assert caught.value.field == "If-Match"
