"""Questions: filters and queries checked before anything is searched."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from memoledger.model import limits
from memoledger.model.errors import InvalidInput
from memoledger.model.recall import Filter, Parts, Query, question_of


class TestFilter:
    def test_nothing_given_lets_everything_through(self) -> None:
        assert Filter.of() == Filter()
        assert Filter.of().is_empty

    @pytest.mark.parametrize("nothing", [{"types": []}, {"tags": ()}, {"metadata": {}}])
    def test_an_empty_collection_is_the_same_as_none(self, nothing: dict[str, Any]) -> None:
        assert Filter.of(**nothing).is_empty

    @pytest.mark.parametrize(
        "given",
        [
            {"types": ["fact"]},
            {"tags": ["a"]},
            {"since": "2026-01-01T00:00Z"},
            {"until": "2026-01-01T00:00Z"},
            {"min_importance": 0},
            {"metadata": {"a": None}},
            {"valid_at": "2026-01-01T00:00Z"},
        ],
    )
    def test_anything_given_is_a_filter(self, given: dict[str, Any]) -> None:
        assert not Filter.of(**given).is_empty

    def test_arrays_are_lists(self) -> None:
        assert Filter.of(types=np.array(["a", "b"])).types == ("a", "b")  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("types", "fact"),
            ("types", ""),
            ("types", 0),
            ("types", [1]),
            ("types", [f"{i}" for i in range(limits.FILTER_VALUES_MAX + 1)]),
            ("tags", "a"),
            ("tags", ""),
            ("tags", 0),
            ("tags", ["\x00"]),
            ("tags", [f"{i}" for i in range(10_000)]),
            ("since", "2026-01-01"),
            ("since", 0),
            ("until", "soon"),
            ("valid_at", "2026-01-01"),
            ("min_importance", -1),
            ("min_importance", True),
            ("min_importance", float("nan")),
            ("metadata", []),
            ("metadata", ""),
            ("metadata", 0),
            ("metadata", {"a": {1}}),
            ("metadata", {"a": float("inf")}),
        ],
    )
    def test_the_wrong_field_is_named(self, field: str, value: Any) -> None:
        with pytest.raises(InvalidInput) as caught:
            Filter.of(**{field: value})
        assert caught.value.field.startswith(field)

    def test_a_period_that_ends_before_it_begins_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="until: it is not after since"):
            Filter.of(since="2026-01-02T00:00Z", until="2026-01-01T00:00Z")


class TestQuery:
    def test_values_are_brought_to_their_form(self) -> None:
        query = Query.of("tea", limit=3, mode="dense", min_similarity=1, as_of="2026-01-01T00:00Z")
        assert query.min_similarity == 1.0
        assert query.as_of == datetime(2026, 1, 1, tzinfo=UTC)
        assert query.filter.is_empty

    @pytest.mark.parametrize(
        ("field", "given"),
        [
            ("query", {"text": ""}),
            ("query", {"text": " \n"}),
            ("query", {"text": None}),
            ("query", {"text": "\x00"}),
            ("query", {"text": "\ud800"}),
            ("query", {"text": "x" * (limits.QUERY_CHARS_MAX + 1)}),
            *[("limit", {"limit": n}) for n in (0, -1, 10**9, True, 1.5, "3", None)],
            pytest.param("limit", {"limit": 10**5_000}, id="limit-huge"),
            *[("mode", {"mode": m}) for m in ("fuzzy", "", None, 5, ["dense"], "Dense")],
            *[("min_similarity", {"min_similarity": s}) for s in (-1.1, 2, True, "0.5")],
            ("min_similarity", {"min_similarity": float("nan")}),
            ("min_similarity", {"mode": "lexical", "min_similarity": 0.5}),
            ("as_of", {"as_of": "2026-01-01"}),
            ("as_of", {"as_of": 5}),
        ],
    )
    def test_the_wrong_field_is_named(self, field: str, given: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput) as caught:
            Query.of(**{"text": "tea", **given})
        assert caught.value.field == field


def test_parts_have_no_values_of_their_own() -> None:
    parts = Parts(dense=0.5, lexical=None, dense_scaled=1.0, lexical_scaled=None, rank=1)
    assert json.loads(json.dumps({"dense": parts.dense, "rank": parts.rank})) == {
        "dense": 0.5,
        "rank": 1,
    }


class TestFamilies:
    @pytest.mark.parametrize("every", [None, (), [], ["chunk", "memory"], ["memory", "chunk"] * 2])
    def test_every_family_is_asked_unless_said_otherwise(self, every: Any) -> None:
        assert Query.of("q", families=every).families == ("memory", "chunk")

    @pytest.mark.parametrize("one", ["memory", "chunk"])
    def test_one(self, one: str) -> None:
        assert Query.of("q", families=[one]).families == (one,)
        assert question_of("q", {"families": (one,)}).families == (one,)

    @pytest.mark.parametrize("wrong", ["memory", ["document"], [1], 3, {"memory"}])
    def test_anything_else_is_refused(self, wrong: Any) -> None:
        with pytest.raises(InvalidInput) as caught:
            Query.of("q", families=wrong)
        assert caught.value.field == "families"
