"""Remember, update, forget: every field there and back, identities, versions, refusals."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memoledger import ConflictError, Forbidden, InvalidInput, Memory, NotFound, Remembered

NOW = datetime.now(UTC).replace(microsecond=123456)
EVERYTHING: dict[str, Any] = {
    "type": "episode",
    "importance": 0.8125,
    "source": 'email, "quoted" \\ and more',
    "tags": ("planning", "Q4 – größer", "🌧", "a,b"),
    "subject_refs": ("person:john", "https://example.org/?a=b#c"),
    "metadata": {
        "speaker": "John",
        "camelCase": 1,
        "snake_case": {"innerKey": [1, 2.5, None, True, "x", {"deep_er": {}}]},
        "large": 12345678901234567890123,
        "small": 1e-300,
        "é": "\u2028 \x7f",
    },
    "title": "Roadmap",
    "summary": "John wants a roadmap.",
    "external_id": "msg/1?x=%2F",
    "occurred_at": datetime(2026, 5, 8, 13, 56, 0, 1, tzinfo=timezone(timedelta(hours=2))),
    "valid_from": datetime(1000, 1, 1, tzinfo=UTC),
    "valid_to": datetime(2999, 12, 31, tzinfo=UTC),
    "expires_at": NOW + timedelta(days=1),
    "privacy": "creator",
}
WRONG: dict[str, list[Any]] = {
    "content": ["", " ", None, 5, "a\x00b", "caf\ud800", "x" * 100_001],
    "type": ["", None, "x" * 51],
    "importance": [-0.1, 1.1, float("nan"), True, "0.5", None],
    "source": ["", 5, "x" * 501],
    "tags": ["tag", 5, [1], [""], ["x" * 101], [f"{i}" for i in range(65)]],
    "subject_refs": ["ref", [""], ["x" * 501]],
    "metadata": [[], "text", {1: 2}, {"a": float("nan")}, {"a": {1}}, {"a": "x" * 2**17}],
    "title": ["", "x" * 1_001],
    "summary": [" ", "x" * 10_001],
    "external_id": ["", 5, "x" * 501],
    "occurred_at": ["yesterday", datetime(2026, 5, 8), 1_778_248_560_000],  # noqa: DTZ001
    "valid_from": ["2026-05-08"],
    "valid_to": ["2026-05-08", datetime(900, 1, 1, tzinfo=UTC)],
    "expires_at": ["never", "2020-01-01T00:00:00Z"],
    "privacy": ["public", "", None, 5],
    "embedding": [[], [1.0], [0.5] * 383, [0.0] * 384, [float("nan")] * 384, "0.5", 5, {"a": 1}],
}
WRONG_IDS = ["", "5", 5, None, True, "x" * 36, "' OR 1=1; --", b"x" * 16, "\ud800"]


class TestRemember:
    async def test_every_field_there_and_back(self, notes: Any) -> None:
        written = await notes.remember("Meeting with John", **EVERYTHING)
        assert isinstance(written, Remembered)
        assert (written.outcome, written.version, written.content) == (
            *("created", 1),
            "Meeting with John",
        )
        for name, value in EVERYTHING.items():
            assert getattr(written, name) == value, name
        assert (written.created_by, written.updated_by) == ("alice", "alice")
        assert written.store_id == notes.id
        assert written.recorded_at.utcoffset() == timedelta(0)
        assert (written.superseded_at, written.deleted_at, written.erased_at) == (None,) * 3
        assert written.speaker == "John"
        read = await notes.get(written.id)
        assert type(read) is Memory
        for field in fields(Memory):
            assert getattr(read, field.name) == getattr(written, field.name), field.name
            assert type(getattr(read, field.name)) is type(getattr(written, field.name))

    async def test_the_defaults(self, notes: Any) -> None:
        plain = await notes.remember("Plain")
        assert (plain.type, plain.importance, plain.privacy) == ("fact", 0.5, "store")
        assert (plain.tags, plain.subject_refs, plain.metadata) == ((), (), {})
        none = ("source", "title", "summary", "external_id", "occurred_at", "expires_at")
        assert [getattr(plain, name) for name in none] == [None] * 6

    async def test_the_content_is_the_identity(self, notes: Any) -> None:
        first = await notes.remember("Tea  at\nfive", tags=["a"])
        again = await notes.remember("Tea at five", tags=["b"])
        assert (again.outcome, again.id, again.tags) == ("unchanged", first.id, ("a",))

    async def test_or_the_external_id_is(self, notes: Any) -> None:
        first = await notes.remember("Tea", external_id="x")
        second = await notes.remember("Coffee", external_id="x")
        other = await notes.remember("Coffee", external_id="y")
        assert (second.outcome, second.id, second.version) == ("updated", first.id, 2)
        assert (other.outcome, other.id != first.id) == ("created", True)

    @pytest.mark.parametrize("kind", [list, tuple, np.float32, np.float64])
    async def test_an_embedding_of_ones_own(self, notes: Any, kind: Any) -> None:
        vector = np.zeros(384)
        vector[5] = 3.0
        given = kind(vector.tolist()) if kind in (list, tuple) else vector.astype(kind)
        await notes.remember("Anything", embedding=given)
        asked = [0.0] * 5 + [1.0] + [0.0] * 378
        [hit] = await notes.recall("else", embedding=asked, mode="dense", explain=True)
        assert hit.parts.dense == pytest.approx(1.0, abs=1e-3)

    @pytest.mark.parametrize(
        ("field", "value"), [(field, value) for field, values in WRONG.items() for value in values]
    )
    async def test_what_is_refused(self, notes: Any, field: str, value: Any) -> None:
        with pytest.raises(InvalidInput) as caught:
            await notes.remember(**{"content": "Tea", field: value})
        assert caught.value.field.startswith(field)
        assert caught.value.code == "invalid-input"
        assert caught.value.remedy
        assert caught.value.details["field"] == caught.value.field
        assert len(caught.value.details["value"]) <= 80
        assert await notes.count() == 0

    async def test_a_period_that_ends_before_it_begins(self, notes: Any) -> None:
        with pytest.raises(InvalidInput) as caught:
            await notes.remember("Tea", valid_from=NOW, valid_to=NOW)
        assert caught.value.field == "valid_to"

    @settings(
        max_examples=30,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        content=st.text(
            st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1
        ).filter(lambda text: bool(text.strip())),
        metadata=st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
            st.recursive(
                st.none()
                | st.booleans()
                | st.integers(-(10**30), 10**30)
                | st.floats(allow_nan=False, allow_infinity=False)
                | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(st.sampled_from(["a_b", "aB", "_", ""]), inner, max_size=3)
                ),
                max_leaves=5,
            ),
            max_size=3,
        ),
    )
    def test_any_text_and_metadata(
        self, blocking_notes: Any, content: str, metadata: dict[str, Any]
    ) -> None:
        written = blocking_notes.remember(content, metadata=metadata, external_id=str(uuid4()))
        assert written.content == content
        assert written.metadata == metadata
        assert blocking_notes.get(written.id).metadata == metadata


class TestUpdate:
    async def test_some_fields_change_and_the_rest_stays(self, notes: Any) -> None:
        first = await notes.remember("Meeting", **EVERYTHING)
        second = await notes.update(
            first.id, content="Meeting moved", importance=1, tags=["new"], title=None, source=None
        )
        assert isinstance(second, Remembered)
        assert (second.outcome, second.version, second.id) == ("updated", 2, first.id)
        assert (second.content, second.importance, second.tags) == ("Meeting moved", 1.0, ("new",))
        assert (second.title, second.source) == (None, None)
        for name in EVERYTHING.keys() - {"importance", "tags", "title", "source"}:
            assert getattr(second, name) == EVERYTHING[name], name
        assert second.recorded_at > first.recorded_at

    async def test_nothing_to_change(self, notes: Any) -> None:
        first = await notes.remember("Meeting", tags=["a"])
        again = await notes.update(first.id, tags=["a"])
        assert (again.outcome, again.version) == ("unchanged", 1)

    async def test_only_the_version_that_was_seen(self, notes: Any) -> None:
        first = await notes.remember("one")
        await notes.update(first.id, content="two", if_version=1)
        with pytest.raises(ConflictError) as caught:
            await notes.update(first.id, content="three", if_version=1)
        assert caught.value.details["expected_version"] == 1
        assert caught.value.details["current_version"] == 2
        assert caught.value.details["id"] == str(first.id)
        assert (await notes.get(first.id)).content == "two"

    async def test_an_identity_that_is_taken(self, notes: Any) -> None:
        await notes.remember("one")
        second = await notes.remember("two")
        with pytest.raises(ConflictError):
            await notes.update(second.id, content="one")

    @pytest.mark.parametrize(
        "changes",
        [{}, {"external_id": "x"}, {"colour": "red"}, {"version": 3}, {"id": "x"}],
    )
    async def test_what_cannot_be_changed(self, notes: Any, changes: dict[str, Any]) -> None:
        first = await notes.remember("one")
        with pytest.raises(InvalidInput) as caught:
            await notes.update(first.id, **changes)
        assert caught.value.field == next(iter(changes), "changes")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            (field, value)
            for field, values in WRONG.items()
            for value in values
            if field != "external_id"
        ],
    )
    async def test_what_is_refused(self, notes: Any, field: str, value: Any) -> None:
        first = await notes.remember("one")
        with pytest.raises(InvalidInput) as caught:
            await notes.update(first.id, **{field: value})
        assert caught.value.field.startswith(field)
        assert (await notes.get(first.id)).version == 1

    async def test_a_period_completed_by_what_is_there(self, notes: Any) -> None:
        first = await notes.remember("one", valid_from=NOW)
        with pytest.raises(InvalidInput) as caught:
            await notes.update(first.id, valid_to=NOW)
        assert caught.value.field == "valid_to"
        assert (await notes.update(first.id, valid_to=NOW + timedelta(days=1))).version == 2

    @pytest.mark.parametrize("version", [0, -1, "1", True, 1.0, 2**31])
    async def test_a_wrong_version(self, notes: Any, version: Any) -> None:
        first = await notes.remember("one")
        for act in (
            notes.update(first.id, content="two", if_version=version),
            notes.forget(first.id, if_version=version),
        ):
            with pytest.raises(InvalidInput) as caught:
                await act
            assert caught.value.field == "if_version"

    async def test_what_is_not_there(self, notes: Any, bob: Any) -> None:
        theirs = await (await bob.store("notes")).remember("one")
        for memory_id in (theirs.id, uuid4()):
            with pytest.raises(NotFound) as caught:
                await notes.update(memory_id, content="two")
            assert caught.value.details["id"] == str(memory_id)

    async def test_by_whom_only_reads(self, notes: Any, bob: Any) -> None:
        first = await notes.remember("one")
        await notes.share("bob")
        theirs = await bob.store("notes", owner="alice")
        with pytest.raises(Forbidden):
            await theirs.update(first.id, content="two")
        with pytest.raises(Forbidden):
            await theirs.forget(first.id)


class TestForget:
    async def test_softly(self, notes: Any) -> None:
        written = await notes.remember("Secret plan")
        assert await notes.forget(written.id) is None
        with pytest.raises(NotFound):
            await notes.get(written.id)
        assert await notes.recall("secret plan") == []
        [version] = await notes.history(written.id)
        assert (version.content, version.deleted_at is not None) == ("Secret plan", True)
        with pytest.raises(NotFound):
            await notes.forget(written.id)

    async def test_hard(self, notes: Any) -> None:
        written = await notes.remember("Secret plan", title="Plan", metadata={"a": 1})
        await notes.update(written.id, content="Changed plan")
        await notes.forget(written.id, hard=True)
        versions = await notes.history(written.id)
        assert [(v.content, v.title, v.metadata) for v in versions] == [("", None, {})] * 2
        assert all(v.erased_at is not None for v in versions)

    async def test_hard_after_softly(self, notes: Any) -> None:
        written = await notes.remember("Secret plan")
        await notes.forget(str(written.id))
        await notes.forget(str(written.id), hard=True)
        assert [version.content for version in await notes.history(written.id)] == [""]

    @pytest.mark.parametrize("hard", [False, True])
    async def test_only_the_version_that_was_seen(self, notes: Any, hard: bool) -> None:
        written = await notes.remember("one")
        await notes.update(written.id, content="two")
        with pytest.raises(ConflictError):
            await notes.forget(written.id, hard=hard, if_version=1)
        await notes.forget(written.id, hard=hard, if_version=2)

    @pytest.mark.parametrize("wrong", WRONG_IDS)
    async def test_what_is_no_id(self, notes: Any, wrong: Any) -> None:
        for act in (
            notes.get(wrong),
            notes.forget(wrong),
            notes.history(wrong),
            notes.update(wrong, content="x"),
            notes.why(wrong, "x"),
        ):
            with pytest.raises(InvalidInput, match="id: that is no id") as caught:
                await act
            assert caught.value.field == "id"
