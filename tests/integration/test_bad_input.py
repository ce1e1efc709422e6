"""Bad input: an error that names the field, shows the value shortly, helps; nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memoledger import InvalidInput, Memoledger, NotFound, Settings
from memoledger.model import limits
from memoledger.settings import load_settings
from memoledger.surfaces.python.store import StoreHandle

NUL, LONE = "a\x00b", "caf\ud800"
NAIVE, ABSURD = datetime(2026, 5, 8), datetime(900, 1, 1, tzinfo=UTC)  # noqa: DTZ001
MILLISECONDS = 1_778_248_560_000
MANY_TAGS = [f"tag {i}" for i in range(10_000)]
HUGE = 10**5_000
VECTOR = np.ones(384, dtype=np.float32)


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def with_one(value: object) -> Any:
    """A vector of the right length with one wrong number in it."""
    return [0.5] * 383 + [value]


TEXTS = [NUL, LONE, "\ud83d alone", 5, b"bytes", ["list"], object()]
INSTANTS = [
    *[NAIVE, ABSURD, MILLISECONDS, "yesterday", "2026-05-08", "2026-05-08T10:00:00", ""],
    *["9999-01-01T00:00:00Z", "2026-02-30T00:00:00Z", date(2026, 5, 8), True, LONE, NUL],
]
NUMBERS = [-0.1, 1.1, float("nan"), float("inf"), -float("inf"), True, "0.5", "high", [0.5], HUGE]
METADATA = [
    *[[], "text", 5, {1: 2}, {None: 1}, {"a": {1, 2}}, {"a": object()}, {"a": b"x"}, {"a": 1j}],
    *[{"a": float("nan")}, {"a": [float("inf")]}, {"a": NUL}, {NUL: 1}, {"a": LONE}, {LONE: 1}],
    *[nested(1_000), nested(100_000), {"a": "x" * 2**20}, {"a": datetime(2026, 1, 1, tzinfo=UTC)}],
    *[{"a": HUGE}, {"a": np.float32(1)}, {("a", "b"): 1}],
]
TAGS = ["tag", b"tag", 5, [1], [None], [["a"]], [NUL], [LONE], [""], ["x" * 101], MANY_TAGS]
VECTORS = [
    *[[], [1.0], [0.5] * 383, [0.5] * 385, np.ones((1, 384)), [0.0] * 384, ["0.5"] * 384],
    *["0.5", b"0.5", 5, {"a": 1}, with_one(float("nan")), with_one(float("inf")), with_one(None)],
    *[with_one(1j), with_one("x"), np.ones(384, dtype=complex), [True] * 384, object()],
    *[np.array(["x"] * 384), with_one(HUGE), iter([0.5] * 384)],
]
IDS = [
    "",
    "5",
    5,
    None,
    True,
    "x" * 36,
    "' OR 1=1; --",
    NUL,
    LONE,
    b"x" * 16,
    str(uuid4())[:-1],
    [],
]
LIMITS = [0, -1, 1_001, 10**9, True, 1.5, "10", None, float("nan"), HUGE]
NAMES = [
    *["", " ", "a\n", "a\nb", "a\tb", " a", "a ", "x" * 201, "é" * 101, NUL, LONE, None, 5],
    *[b"name", ["name"], "\x1b[31m", "a\u2028b"],
]

FIELDS: dict[str, list[Any]] = {
    "content": [*TEXTS, "", " ", "\n\t\u3000", None, "x" * (limits.CONTENT_CHARS_MAX + 1)],
    "type": [*TEXTS, "", None, "x" * 51],
    "importance": [*NUMBERS, None],
    "source": [*TEXTS, "", "x" * 501],
    "tags": TAGS,
    "subject_refs": [*TAGS[:-2], ["x" * 501], MANY_TAGS],
    "metadata": METADATA,
    "title": [*TEXTS, "", "x" * 1_001],
    "summary": [*TEXTS, " ", "x" * 10_001],
    "external_id": [*TEXTS, "", "x" * 501],
    "occurred_at": INSTANTS,
    "valid_from": INSTANTS,
    "valid_to": [*INSTANTS, "2020-01-01T00:00:00Z"],
    "expires_at": [*INSTANTS, "2020-01-01T00:00:00Z", datetime(2020, 1, 1, tzinfo=UTC)],
    "privacy": ["public", "", None, 5, True, ["store"]],
    "embedding": VECTORS,
}
QUESTIONS: dict[str, list[Any]] = {
    "query": [*TEXTS, "", " ", None, "x" * (limits.QUERY_CHARS_MAX + 1)],
    "limit": LIMITS,
    "mode": ["fuzzy", "", None, 5, ["dense"], "Dense", NUL],
    "min_similarity": [-1.1, 1.1, float("nan"), float("inf"), True, "0.5", HUGE],
    "types": ["fact", "", 0, 5, [1], [NUL], [LONE], [""], MANY_TAGS],
    "tags": TAGS,
    "since": INSTANTS,
    "until": [*INSTANTS, "2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z"],
    "min_importance": NUMBERS,
    "metadata": [*METADATA, 0, ""],
    "as_of": INSTANTS,
    "embedding": VECTORS,
}
LISTINGS = ["limit", "types", "tags", "since", "until", "min_importance", "metadata", "as_of"]


@dataclass(frozen=True)
class Shared:
    """The one database of this module: what is refused leaves it as it is."""

    server: Any
    name: str

    def conninfo(self, user: str = "memoledger_app") -> str:
        return str(self.server.conninfo(user, self.name))

    def settings(self) -> Settings:
        return load_settings(
            database_url=self.conninfo(),
            admin_database_url=self.conninfo("postgres"),
            sweep_interval_s=0.0,
        )


@pytest.fixture(scope="module")
def database(server: Any, template: str) -> Iterator[Shared]:
    """Made once; the ledger of each test is opened in it."""
    name = f"bad_input_{uuid4().hex[:12]}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        yield Shared(server, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def notes(ledger: Memoledger) -> StoreHandle:
    """A store with one memory in it."""
    store = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
    await store.remember(
        "Tea at five",
        title="Tea",
        embedding=VECTOR,
        external_id="x",
        valid_from="2026-01-01T00:00Z",
    )
    return store


@pytest.fixture
def unchanged(database: Any, notes: StoreHandle) -> Iterator[None]:
    """Before and after, every row of every table is the same."""
    before = everything(database.conninfo("postgres"))
    assert sum(count for count, _ in before.values()) > 5
    yield
    assert everything(database.conninfo("postgres")) == before


def everything(conninfo: str) -> dict[str, tuple[int, str]]:
    """For each table how many rows it has, and a digest of them."""
    with psycopg.connect(conninfo) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c"
            " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE n.nspname LIKE 'memoledger%' AND c.relkind = 'r'"
        ).fetchall()
        found: dict[str, tuple[int, str]] = {}
        for (table,) in tables:
            row = connection.execute(
                f"SELECT count(*), md5(coalesce(string_agg(t::text, '' ORDER BY t::text), ''))"
                f" FROM {table} AS t"
            ).fetchone()
            assert row is not None
            found[table] = row
    return found


def check_refusal(error: InvalidInput, field: str) -> None:
    """It names the field, says why and what to do, and carries no more than a bit of the value."""
    text = str(error)
    assert error.field.startswith(field), (error.field, text)
    assert text.startswith(error.field)
    assert error.reason
    assert error.remedy
    assert len(text) < 500, text
    text.encode()
    assert "\x00" not in text
    json.dumps(error.as_dict(), ensure_ascii=False).encode()


async def refused(act: Callable[[], Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await act()
    check_refusal(caught.value, field)


@pytest.mark.usefixtures("unchanged")
class TestWriting:
    @pytest.mark.parametrize("field", FIELDS)
    async def test_remember(self, notes: StoreHandle, field: str) -> None:
        for value in FIELDS[field]:
            given = {"content": "Milk", "valid_from": "2026-01-01T00:00Z", field: value}
            await refused(lambda given=given: notes.remember(**given), field)

    @pytest.mark.parametrize("field", FIELDS)
    async def test_remember_many(self, notes: StoreHandle, field: str) -> None:
        values = FIELDS[field]
        base = {"content": "Milk", "valid_from": "2026-01-01T00:00Z"}
        report = await notes.remember_many(base | {field: value} for value in values)
        assert [item.position for item in report.items] == list(range(1, len(values) + 1))
        assert report.progress.rejected == len(values)
        for item in report.items:
            assert item.error is not None
            check_refusal(item.error, field)

    @pytest.mark.parametrize("field", FIELDS)
    async def test_update(self, notes: StoreHandle, field: str) -> None:
        [memory] = (await notes.list()).memories
        for value in FIELDS[field]:
            await refused(lambda value=value: notes.update(memory.id, **{field: value}), field)

    @pytest.mark.parametrize("name", ["colour", "Content", "", "\ud800", NUL, "x" * 10_000, "id"])
    async def test_unknown_fields(self, notes: StoreHandle, name: str) -> None:
        [memory] = (await notes.list()).memories
        shown = "x" * 50 if len(name) > 100 else ascii(name)[1:-1]
        await refused(lambda: notes.update(memory.id, **{name: 1}), shown)
        report = await notes.remember_many([{"content": "Milk", name: 1}])
        assert report.items[0].error is not None
        check_refusal(report.items[0].error, "external_id" if name == "id" else shown)

    async def test_an_unknown_argument_is_pythons_own_error(self, notes: StoreHandle) -> None:
        with pytest.raises(TypeError, match="colour"):
            await notes.remember("Milk", colour="red")  # type: ignore[call-arg]

    async def test_what_is_no_memory(self, notes: StoreHandle) -> None:
        report = await notes.remember_many([None, 5, "text", b"x", [], ["content"], object(), {}])
        assert report.progress.rejected == 8
        for item in report.items[:-1]:
            assert item.error is not None
            check_refusal(item.error, "memory")

    async def test_limits_are_named(self, notes: StoreHandle) -> None:
        with pytest.raises(InvalidInput, match=r"100,001 characters, the limit is 100,000"):
            await notes.remember("x" * 100_001)
        with pytest.raises(InvalidInput, match=r"more than 64"):
            await notes.remember("Milk", tags=MANY_TAGS)
        with pytest.raises(InvalidInput, match=r"limit is 65,536"):
            await notes.remember("Milk", metadata={"a": "x" * 70_000})
        with pytest.raises(InvalidInput, match=r"1 to 1,000"):
            await notes.recall("Tea", limit=10**9)
        with pytest.raises(InvalidInput, match=r"384 numbers"):
            await notes.remember("Milk", embedding=[1.0])


@pytest.mark.usefixtures("unchanged")
class TestReading:
    @pytest.mark.parametrize("field", QUESTIONS)
    async def test_recall(self, notes: StoreHandle, field: str) -> None:
        for value in QUESTIONS[field]:
            given = {"query": "Tea", "since": "2026-01-01T00:00:00Z", field: value}
            await refused(lambda given=given: notes.recall(**given), field)

    async def test_a_similarity_of_words(self, notes: StoreHandle) -> None:
        await refused(
            lambda: notes.recall("Tea", mode="lexical", min_similarity=0.5), "min_similarity"
        )

    @pytest.mark.parametrize("field", LISTINGS)
    async def test_list(self, notes: StoreHandle, field: str) -> None:
        for value in QUESTIONS[field]:
            given = {"since": "2026-01-01T00:00:00Z", field: value}
            await refused(lambda given=given: notes.list(**given), field)

    async def test_cursors(self, notes: StoreHandle) -> None:
        for value in IDS:
            if value is not None:
                await refused(lambda value=value: notes.list(cursor=value), "cursor")

    async def test_ids(self, notes: StoreHandle) -> None:
        for value in IDS:
            for act in (notes.get, notes.history, notes.forget):
                await refused(lambda act=act, value=value: act(value), "id")
            await refused(lambda value=value: notes.forget(value, hard=True), "id")
            await refused(lambda value=value: notes.update(value, content="Milk"), "id")

    async def test_versions(self, notes: StoreHandle) -> None:
        [memory] = (await notes.list()).memories
        for value in (0, -1, 2**31, 10**9 * 10, True, 1.0, "1", HUGE):
            given: dict[str, Any] = {"if_version": value}
            await refused(lambda given=given: notes.forget(memory.id, **given), "if_version")
            changes = given | {"content": "Milk"}
            await refused(lambda changes=changes: notes.update(memory.id, **changes), "if_version")

    async def test_what_is_not_there(self, notes: StoreHandle) -> None:
        for act in (notes.get, notes.history, notes.forget):
            with pytest.raises(NotFound) as caught:
                await act(uuid4())
            assert caught.value.remedy


class TestNames:
    async def test_principals(self, ledger: Memoledger, unchanged: None) -> None:
        for name in NAMES:
            await refused(lambda name=name: ledger.principal(tenant=name, user="a"), "tenant")
            await refused(lambda name=name: ledger.principal(tenant="a", user=name), "user")

    async def test_stores(self, ledger: Memoledger, notes: StoreHandle, unchanged: None) -> None:
        alice = await ledger.principal(tenant="acme", user="alice")
        for name in NAMES:
            await refused(lambda name=name: alice.store(name), "store")
            await refused(lambda name=name: alice.find_store(name), "store")
            await refused(lambda name=name: notes.share(name), "user")
            await refused(lambda name=name: notes.unshare(name), "user")
            if name is not None:
                await refused(lambda name=name: alice.store("notes", owner=name), "owner")
        for value in LIMITS:
            await refused(lambda value=value: alice.stores(limit=value), "limit")
        for value in IDS:
            await refused(lambda value=value: alice.store_by_id(value), "store")
        for unknown in ("nobody", "' OR true; --", "alice "[:-1] + "x"):
            with pytest.raises(NotFound):
                await alice.store("notes", owner=unknown)
            with pytest.raises(NotFound):
                await alice.find_store(unknown)

    @pytest.mark.parametrize(
        "text",
        ["'; DROP TABLE memoledger.memories; --", "%s %(a)s", "\\'", '"', "{1,2}", "$1", "NULL"],
    )
    async def test_sql_is_only_text(self, ledger: Memoledger, text: str) -> None:
        principal = await ledger.principal(tenant=text, user=text)
        store = await principal.store(text)
        given: dict[str, Any] = {
            **dict.fromkeys(("content", "type", "source", "title", "summary"), text),
            "external_id": text,
            "tags": (text,),
            "subject_refs": (text, "other"),
            "metadata": {text: [text, {text: text}]},
        }
        for memory_id in (
            (await store.remember(**given)).id,
            (await store.remember_many([given | {"external_id": "y"}])).items[0].id,
        ):
            assert memory_id is not None
            read = await store.get(memory_id)
            for name, value in given.items():
                assert getattr(read, name) == value or name == "external_id"
        hits = await store.recall(
            f"{text} x", types=[text], tags=[text], metadata={text: [text]}, limit=5
        )
        assert len(hits) == 2
        assert (await ledger.principal(tenant=text, user=text)).principal.user == text


any_text = st.text(min_size=1, max_size=40) | st.text(
    alphabet=st.characters(categories=["Cs", "Cc", "Cf", "Zs", "Mn", "So", "Lo"]), max_size=20
)
any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**1030), 2**1030)
    | st.floats()
    | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=10,
)
any_draft = st.fixed_dictionaries(
    {"content": any_text},
    optional={
        "title": any_text,
        "summary": any_text,
        "type": any_text,
        "source": any_text,
        "external_id": any_text,
        "tags": st.lists(any_text, max_size=4, unique=True),
        "subject_refs": st.lists(any_text, max_size=3, unique=True),
        "metadata": st.dictionaries(any_text, any_json, max_size=4),
        "importance": st.floats(),
        "occurred_at": st.datetimes(timezones=st.none() | st.just(UTC)),
    },
)


class TestAnythingAtAll:
    @settings(
        max_examples=120,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(draft=any_draft, together=st.booleans())
    async def test_is_kept_as_it_is_or_refused(
        self, ledger: Memoledger, draft: dict[str, Any], together: bool
    ) -> None:
        alice = await ledger.principal(tenant="acme", user="alice")
        store = await alice.store(f"store {uuid4()}")
        given = draft | {"embedding": VECTOR}
        if together:
            [item] = (await store.remember_many([given])).items
            memory_id, error = item.id, item.error
        else:
            memory_id, error = await self.one(store, given)
        if memory_id is None:
            assert error is not None
            check_refusal(error, "")
            assert await store.count() == 0
            return
        read = await store.get(memory_id)
        for name, value in draft.items():
            assert same(getattr(read, name), value), name
        [hit] = await store.recall("anything", mode="dense", embedding=VECTOR, limit=1)
        assert hit.memory == read

    @staticmethod
    async def one(store: StoreHandle, given: dict[str, Any]) -> tuple[Any, InvalidInput | None]:
        try:
            return (await store.remember(**given)).id, None
        except InvalidInput as error:
            return None, error

    @settings(
        max_examples=120,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(query=any_text, metadata=st.dictionaries(any_text, any_json, max_size=3))
    async def test_can_be_asked_or_is_refused(
        self, ledger: Memoledger, query: str, metadata: dict[str, Any]
    ) -> None:
        alice = await ledger.principal(tenant="acme", user="alice")
        store = await alice.store("asked")
        await store.remember("Tea at five", embedding=VECTOR)
        for mode in ("lexical", "hybrid"):
            try:
                hits = await store.recall(
                    query, mode=mode, metadata=metadata, embedding=VECTOR, tags=[query[:100]]
                )
            except InvalidInput as error:
                check_refusal(error, "")
            else:
                assert hits == []


def same(read: object, given: object) -> bool:
    """Equal in value and in every character; lists and tuples are one, so are 1 and 1.0."""
    if isinstance(given, dict):
        return (
            isinstance(read, dict)
            and read.keys() == given.keys()
            and all(same(read[name], value) for name, value in given.items())
        )
    if isinstance(given, list | tuple):
        return (
            isinstance(read, list | tuple)
            and len(read) == len(given)
            and all(map(same, read, given))
        )
    return read == given and isinstance(read, bool) == isinstance(given, bool)
