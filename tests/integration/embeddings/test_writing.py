"""What is written while several versions are kept up to date."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memoledger import InvalidInput
from memoledger.services import companions


@pytest.fixture
async def begun(scene: Any) -> Any:
    """The scene.new version, being filled."""
    return await scene.ledger.embeddings.create(scene.new)


def test_a_new_version_is_being_filled(scene: Any, begun: Any) -> None:
    assert begun.state == "filling"
    assert scene.states()["new"] == "filling"
    assert scene.states()["old"] == "serving"


async def test_every_write_brings_its_vectors(scene: Any, begun: Any) -> None:
    one = await scene.notes.remember(
        "tea", title="a drink", summary="hot", metadata={"speaker": "Ann"}
    )
    await scene.notes.remember_many([{"content": f"cup {number}"} for number in range(30)])
    await scene.notes.remember_many([{"content": "first", "external_id": "x"}])
    await scene.notes.remember("second", external_id="x")
    await scene.notes.update(one.id, content="green tea")
    await scene.notes.remember("mine", privacy="creator")
    assert scene.lacking("old") == []
    assert scene.lacking("new") == []
    assert "Ann: tea" in scene.new.texts  # the same text as in the version that serves


async def test_a_given_vector_is_of_the_version_that_serves(scene: Any, begun: Any) -> None:
    own = scene.old.vector("something else")
    memory = await scene.notes.remember("tea", embedding=own)
    rows = scene.root.execute(
        "SELECT vector_dims(e.embedding), e.embedding::real[] FROM memoledger.embeddings AS e"
        " WHERE e.owner_id = %s ORDER BY 1",
        (memory.id,),
    ).fetchall()
    assert [row[0] for row in rows] == [16, 24]
    assert np.allclose(rows[0][1], own, atol=1e-3)
    assert np.allclose(rows[1][1], scene.new.vector("tea"), atol=1e-3)
    with pytest.raises(InvalidInput, match="16 numbers"):
        await scene.notes.remember("coffee", embedding=scene.new.vector("coffee"))


async def test_an_embedder_that_fails_holds_up_nobody(scene: Any, begun: Any) -> None:
    scene.new.fails = True
    memory = await scene.notes.remember("tea")
    calls = len(scene.new.texts)
    await scene.notes.remember("coffee")  # and is not asked again for a while
    assert len(scene.new.texts) == calls
    assert len(scene.lacking("new")) == 2
    assert scene.lacking("old") == []
    scheduled = scene.root.execute(
        "SELECT owner_id FROM memoledger.embedding_schedule WHERE embedding_version = %s",
        (begun.number,),
    ).fetchall()
    scene.new.fails = False
    assert (await scene.ledger.embeddings.backfill(begun.name)).embedded == 2
    assert scene.lacking("new") == []
    assert {row[0] for row in scheduled} <= {memory.id} | {
        m.id for m in (await scene.notes.list()).memories
    }


async def test_one_that_is_slow_is_not_waited_for(
    scene: Any, begun: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    async def for_ever(*_: object, **__: object) -> Any:
        await asyncio.sleep(60)

    monkeypatch.setattr(companions, "PATIENCE_S", 0.05)
    monkeypatch.setattr(scene.new, "embed", for_ever)
    await scene.notes.remember("tea")
    assert len(scene.lacking("new")) == 1


async def test_what_is_closed_and_erased_is_so_in_every_version(scene: Any, begun: Any) -> None:
    changed = await scene.notes.remember("one")
    await scene.notes.update(changed.id, content="two")
    forgotten = await scene.notes.remember("three")
    await scene.notes.forget(forgotten.id)
    erased = await scene.notes.remember("four", title="t")
    await scene.notes.forget(erased.id, hard=True)
    rows = scene.root.execute(
        "SELECT e.owner_id, e.version, count(*), count(e.superseded_at) FROM memoledger.embeddings"
        " AS e GROUP BY 1, 2"
    ).fetchall()
    found = {(row[0], row[1]): row[2:] for row in rows}
    assert found == {
        (changed.id, 1): (2, 2),
        (changed.id, 2): (2, 0),
        (forgotten.id, 1): (2, 2),
    }


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["remember", "update", "forget", "erase", "fail", "mend"]),
            st.integers(0, 4),
        ),
        max_size=12,
    )
)
async def test_whatever_is_done_filling_leaves_nothing_missing(
    scene: Any, begun: Any, acts: list[tuple[str, int]]
) -> None:
    """And nothing is current in one version that is not in the other."""
    scene.new.fails = False
    for number, (act, which) in enumerate(acts):
        held = (await scene.notes.list(limit=5)).memories
        if act == "remember" or not held:
            await scene.notes.remember(
                f"{number} {which} {len(scene.new.texts)}", title="t" if which else None
            )
        elif act == "update":
            await scene.notes.update(
                held[which % len(held)].id, content=f"changed {number} {which}"
            )
        elif act in {"forget", "erase"}:
            await scene.notes.forget(held[which % len(held)].id, hard=act == "erase")
        else:
            scene.new.fails = act == "fail"
    scene.new.fails = False
    await scene.ledger.embeddings.backfill(begun.name)
    assert scene.lacking("new") == []
    different = scene.root.execute(
        """
        SELECT owner_id, version, view, superseded_at, private_to FROM memoledger.embeddings AS e
        GROUP BY 1, 2, 3, 4, 5 HAVING count(*) <> 2
        """
    ).fetchall()
    assert different == []
