"""Resources: stores and memories by their addresses, as JSON.

memoledger://stores                                        every store one may read
memoledger://stores/{store_id}                             a store, and how many memories it has
memoledger://stores/{store_id}/memories{?cursor}           a page of its memories
memoledger://stores/{store_id}/memories/{memory_id}        one memory
memoledger://stores/{store_id}/memories/{memory_id}/history   its versions
"""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from mcp import types

from memoledger.model.errors import NotFound, preview
from memoledger.surfaces.mcp.acting import Acting
from memoledger.surfaces.mcp.answers import (
    HistoryAnswer,
    MemoryAnswer,
    StoreAnswer,
    StoresAnswer,
)

SCHEME: Final = "memoledger"
MIME: Final = "application/json"

STORES_PAGE: Final = 100
MEMORIES_PAGE: Final = 50

_PATH: Final = re.compile(
    r"/?(?P<store>[^/]+)(?P<memories>/memories(/(?P<memory>[^/]+)(?P<history>/history)?)?)?"
)

_TEMPLATES: Final = (
    ("stores/{store_id}", "store", "A store, and how many memories it holds."),
    ("stores/{store_id}/memories{?cursor}", "memories", "A page of the memories of a store."),
    ("stores/{store_id}/memories/{memory_id}", "memory", "One memory, whole."),
    (
        "stores/{store_id}/memories/{memory_id}/history",
        "history",
        "All versions of a memory, oldest first.",
    ),
)

TEMPLATES: Final = [
    types.ResourceTemplate(
        uriTemplate=f"{SCHEME}://{path}",
        name=name,
        title=name.capitalize(),
        description=description,
        mimeType=MIME,
    )
    for path, name, description in _TEMPLATES
]


async def listed(acting: Acting, cursor: str | None) -> types.ListResourcesResult:
    """A page of the stores as resources.

    Raises:
        InvalidInput: the cursor is none.
    """
    page = await acting.principal.stores(limit=STORES_PAGE, cursor=cursor)
    user = acting.principal.principal.user
    found = [
        types.Resource.model_validate(
            {
                "uri": f"{SCHEME}://stores/{store.id}",
                "name": store.name,
                "title": store.name if store.owner == user else f"{store.name} of {store.owner}",
                "description": "A store of memories.",
                "mimeType": MIME,
            }
        )
        for store in page.stores
    ]
    return types.ListResourcesResult(resources=found, nextCursor=page.next_cursor)


async def read(acting: Acting, uri: str) -> str:
    """What a resource says, as JSON.

    Raises:
        NotFound: there is none of that address.
        InvalidInput: an id in it is none.
    """
    found = await _found(acting, uri)
    return json.dumps(found, ensure_ascii=False)


async def _found(acting: Acting, uri: str) -> dict[str, Any]:
    parts = urlsplit(uri)
    if parts.scheme != SCHEME or parts.netloc != "stores":
        raise _no_such(uri)
    cursor = parse_qs(parts.query).get("cursor", [None])[0]
    if parts.path in ("", "/"):
        page = await acting.principal.stores(limit=STORES_PAGE, cursor=cursor)
        return StoresAnswer.of(page, acting.principal.principal.user).data()
    match = _PATH.fullmatch(parts.path)
    if match is None:
        raise _no_such(uri)
    return await _in_store(acting, match, cursor)


async def _in_store(acting: Acting, asked: re.Match[str], cursor: str | None) -> dict[str, Any]:
    store = await acting.principal.store_by_id(asked["store"])
    if asked["history"]:
        return HistoryAnswer.of(await store.history(asked["memory"])).data()
    if asked["memory"]:
        return MemoryAnswer.of(await store.get(asked["memory"])).data()
    if asked["memories"]:
        page = await store.list(limit=MEMORIES_PAGE, cursor=cursor)
        memories = [MemoryAnswer.of(memory, excerpt=True).data() for memory in page.memories]
        following = {} if page.next_cursor is None else {"next_cursor": page.next_cursor}
        return {"memories": memories, **following}
    described = StoreAnswer.of(store.details, acting.principal.principal.user).data()
    return {**described, "memories": await store.count()}


def _no_such(uri: str) -> NotFound:
    known = ", ".join(template.uriTemplate for template in TEMPLATES)
    return NotFound(f"There is no resource {preview(uri)}.", remedy=f"There are: {known}.")
