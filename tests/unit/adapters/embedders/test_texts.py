from __future__ import annotations

from typing import Any

import pytest

from memoledger.adapters.embedders.texts import checked_texts
from memoledger.model.errors import InvalidInput


@pytest.mark.parametrize("bad", ["", " ", "\n\t\u3000", "a\ud800b", b"bytes", None, 7])
async def test_a_text_that_cannot_be_embedded_is_named(bad: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        await checked_texts(["fine", bad])
    assert caught.value.field == "texts[1]"
    assert caught.value.remedy


async def test_one_string_is_not_taken_for_its_letters() -> None:
    with pytest.raises(InvalidInput, match="one string"):
        await checked_texts("hello")


async def test_the_callers_list_may_change_afterwards() -> None:
    texts = ["a", "b"]
    checked = await checked_texts(texts)
    texts.clear()
    assert checked == ["a", "b"]


async def test_a_bad_text_late_in_a_long_list_is_found() -> None:
    with pytest.raises(InvalidInput) as caught:
        await checked_texts(["x"] * 9_999 + [""])
    assert caught.value.field == "texts[9999]"
