"""What a bug in Python could try with the rows of artifacts, the database refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from memoledger.model.artifact import Artifact
from memoledger.model.ids import new_id
from memoledger.services import artifacts
from memoledger.services.context import Context, Scope
from memoledger.surfaces.python.store import StoreHandle

GUIDE = b"# Guide\n\nTea is hot.\n\n## Brewing\n\nWait four minutes."


@pytest.fixture
async def mine(context: Context, scope: Scope) -> Artifact:
    return await artifacts.put(context, scope, new_id(), GUIDE)


@pytest.fixture
def attempt(
    server: Any, service_database: str, scope: Scope
) -> Callable[..., list[tuple[Any, ...]]]:
    def run(query: str, *params: object) -> list[tuple[Any, ...]]:
        conninfo = server.conninfo("memoledger_app", service_database)
        principal = scope.principal
        with psycopg.connect(conninfo) as connection:
            connection.execute(
                "SELECT set_config('app.current_tenant_id', %s, true),"
                " set_config('app.current_user', %s, true)",
                [principal.tenant, principal.user],
            )
            cursor = connection.execute(query, params)
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.mark.parametrize(
    "change",
    [
        "state = 'kept'",
        "state = 'collected', hash = NULL, media_type = NULL",
        "hash = sha256('other')",
        "state = 'dropped', hash = sha256('other')",
    ],
)
async def test_a_state_is_not_made_up(
    mine: Artifact, attempt: Callable[..., Any], change: str
) -> None:
    with pytest.raises((psycopg.errors.RestrictViolation, psycopg.errors.InsufficientPrivilege)):
        attempt(f"UPDATE memoledger.artifacts SET {change} WHERE artifact_id = %s", mine.id)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM memoledger.artifacts",
        "UPDATE memoledger.artifacts SET key = 'workspaces/other'",
        "UPDATE memoledger.artifacts SET document_id = gen_random_uuid()",
        "UPDATE memoledger.artifacts SET store_id = gen_random_uuid()",
        "INSERT INTO memoledger.artifacts (tenant_id, store_id, artifact_id, document_id,"
        " bytes, created_by, hash, key)"
        " SELECT tenant_id, store_id, gen_random_uuid(), document_id, 1, created_by, hash,"
        " 'workspaces/other' FROM memoledger.artifacts",
    ],
)
async def test_a_row_leads_to_no_other_object(
    mine: Artifact, attempt: Callable[..., Any], statement: str
) -> None:
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.GeneratedAlways)):
        attempt(statement)


async def test_a_document_refers_to_its_own_artifact_only(
    mine: Artifact, attempt: Callable[..., Any], notes: StoreHandle
) -> None:
    with pytest.raises(psycopg.errors.SerializationFailure):
        attempt(
            "INSERT INTO memoledger.documents (tenant_id, store_id, document_id, version, type,"
            " source, source_id, chunk_count, char_count, content_hash, artifact_key,"
            " artifact_hash, created_by, updated_by)"
            " SELECT tenant_id, store_id, gen_random_uuid(), 1, 'x', 's', 'i', 0, 0, hash, key,"
            " encode(hash, 'hex'), created_by, created_by FROM memoledger.artifacts"
            " WHERE artifact_id = %s",
            mine.id,
        )


async def test_rows_stay_as_long_as_their_object_may_be_there(
    mine: Artifact, sql: Callable[..., Any]
) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation):
        sql("DELETE FROM memoledger.artifacts WHERE artifact_id = %s RETURNING 1", mine.id)
