from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.plain import camel, snake

NAMES = st.from_regex(re.compile(r"[a-z][a-z0-9]{0,6}(_[a-z][a-z0-9]{0,6}){0,3}"), fullmatch=True)


@given(NAMES)
def test_either_case_leads_back_to_the_other(name: str) -> None:
    assert snake(camel(name)) == name
    assert camel(camel(name)) == camel(name)
    assert snake(name) == name
