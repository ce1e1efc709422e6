"""Examples of the OpenAPI document: one of each body and each answer. A test validates them."""

from __future__ import annotations

from typing import Any, Final

from memoledger import __version__

STORE_ID: Final = "0199a1f0-5b7e-7c3a-9d51-0c6f2f1e8a11"
MEMORY_ID: Final = "0199a1f2-0d4c-7f60-b3a2-51f7c9d0e4b2"
RECEIPT_ID: Final = "0199a1f3-7a10-7b8e-8f04-2d9b6c1a7e55"
DOCUMENT_ID: Final = "0199a1f4-1f6b-7d02-9c3e-7b1a5d8e2f60"
CHUNK_ID: Final = "0199a1f4-1f70-7a55-8e21-3c9d0b4f6a17"
KEY_ID: Final = "0199a1ef-2c44-7d19-a6b3-9e0f4d2c8b77"
_THEN: Final = "2026-05-08T13:56:00Z"

_MEMORY: Final[dict[str, Any]] = {
    "id": MEMORY_ID,
    "version": 1,
    "storeId": STORE_ID,
    "content": "Meeting with John about the Q4 roadmap",
    "type": "episode",
    "importance": 0.8,
    "source": "email",
    "tags": ["planning"],
    "subjectRefs": [],
    "metadata": {"speaker": "Ada"},
    "title": None,
    "summary": None,
    "externalId": None,
    "privacy": "store",
    "occurredAt": _THEN,
    "validFrom": None,
    "validTo": None,
    "expiresAt": None,
    "recordedAt": _THEN,
    "supersededAt": None,
    "deletedAt": None,
    "erasedAt": None,
    "createdBy": "ada",
    "updatedBy": "ada",
}
_STORE: Final[dict[str, Any]] = {
    "id": STORE_ID,
    "name": "notes",
    "owner": "ada",
    "visibility": "private",
    "createdAt": _THEN,
    "updatedAt": _THEN,
}
_GRANT: Final[dict[str, Any]] = {
    "storeId": STORE_ID,
    "grantee": "grace",
    "access": "read",
    "grantedBy": "ada",
    "grantedAt": _THEN,
}
_USER: Final[dict[str, Any]] = {"id": "ada", "createdAt": _THEN, "createdBy": "ada"}
_TENANT: Final[dict[str, Any]] = {"id": "acme", "createdAt": _THEN}
_KEY: Final[dict[str, Any]] = {
    "id": KEY_ID,
    "name": "nightly import",
    "tenant": "acme",
    "user": "ada",
    "scopes": ["read", "write"],
    "createdAt": _THEN,
    "createdBy": "ada",
    "createdWith": None,
    "expiresAt": None,
    "lastUsedAt": None,
    "revokedAt": None,
}
_RECEIPT: Final[dict[str, Any]] = {
    "id": RECEIPT_ID,
    "user": "ada",
    "storeId": STORE_ID,
    "recordedAt": _THEN,
    "askedAt": _THEN,
    "struckAt": None,
    "embeddingVersion": "all-MiniLM-L6-v2/384",
    "limit": 10,
    "pending": 0,
    "complete": True,
    "mode": "hybrid",
    "searchedBy": "exact",
    "query": "roadmap planning",
    "queryHash": None,
    "filters": {"tags": ["planning"]},
    "hits": [{"memoryId": MEMORY_ID, "version": 1, "score": 0.91, "chunkId": None}],
    "timingsMs": {"embed": 1.4, "search": 1.1, "rank": 0.2, "fetch": 0.6},
}
_ITEM: Final[dict[str, Any]] = {
    "number": 1,
    "text": "Meeting with John about the Q4 roadmap",
    "truncated": False,
    "score": 0.91,
    "group": None,
    "source": {
        "store": "notes",
        "storeId": STORE_ID,
        "memoryId": MEMORY_ID,
        "version": 1,
        "speaker": "Ada",
        "occurredAt": _THEN,
        "recordedAt": _THEN,
        **dict.fromkeys(("chunkId", "documentId", "section", "start", "end")),
    },
    "folded": [],
}
_DOCUMENT: Final[dict[str, Any]] = {
    "id": DOCUMENT_ID,
    "version": 1,
    "storeId": STORE_ID,
    "source": "wiki",
    "sourceId": "roadmap",
    "type": "document",
    "title": "Roadmap",
    "summary": None,
    "state": None,
    "author": {"name": "Ada"},
    "tags": ["planning"],
    "metadata": {},
    "mediaType": "text/markdown",
    "contentHash": "5f" * 32,
    "artifactKey": f"workspaces/{STORE_ID}/knowledge/{DOCUMENT_ID}/{'5f' * 32}",
    "artifactHash": "5f" * 32,
    "lineage": {"learned_from": "content", "parent_version": None, "chunks_new": 1},
    "chunkCount": 1,
    "charCount": 35,
    "occurredAt": _THEN,
    "recordedAt": _THEN,
    "supersededAt": None,
    "deletedAt": None,
    "erasedAt": None,
    "createdBy": "ada",
    "updatedBy": "ada",
}
_CHUNK: Final[dict[str, Any]] = {
    "id": CHUNK_ID,
    "documentId": DOCUMENT_ID,
    "version": 1,
    "firstVersion": 1,
    "storeId": STORE_ID,
    "place": 0,
    "text": "# Roadmap\n\nThe fourth quarter is about search.",
    "section": "Roadmap",
    "start": 0,
    "end": 46,
    "tokenCount": 10,
    "keywords": ["quarter", "search"],
    "source": "wiki",
    "sourceId": "roadmap",
    "title": "Roadmap",
    "type": "document",
    "tags": ["planning"],
    "occurredAt": _THEN,
    "recordedAt": _THEN,
    "supersededAt": None,
}
_FINDING: Final[dict[str, Any]] = {
    "check": "isolation",
    "status": "ok",
    "message": "Row-level security is forced on all 16 tables.",
    "remedy": None,
}

BODIES: Final[dict[str, dict[str, Any]]] = {
    "NewMemory": {
        "content": "Meeting with John about the Q4 roadmap",
        "type": "episode",
        "importance": 0.8,
        "source": "email",
        "tags": ["planning"],
        "metadata": {"speaker": "Ada"},
        "occurredAt": _THEN,
    },
    "ChangedMemory": {"importance": 0.9, "tags": ["planning", "q4"]},
    "NewDocument": {
        "source": "wiki",
        "sourceId": "roadmap",
        "content": "# Roadmap\n\nThe fourth quarter is about search.",
        "mediaType": "text/markdown",
        "tags": ["planning"],
    },
    "AskedForHits": {"query": "roadmap planning", "limit": 5, "tags": ["planning"]},
    "AskedForContext": {"query": "What is planned for Q4?", "maxTokens": 500},
    "AskedForAccesses": {"memoryIds": [MEMORY_ID]},
    "NewStore": {"name": "notes"},
    "ChangedStore": {"visibility": "tenant"},
    "NewGrant": {"access": "read"},
    "QueueIds": {"ids": [MEMORY_ID]},
    "NewKey": {"name": "nightly import", "scopes": ["read", "write"]},
}
"""By the name of the class of the body."""

ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "Remembered": {**_MEMORY, "outcome": "created"},
    "Memory": _MEMORY,
    "Memories": {"memories": [_MEMORY], "nextCursor": None},
    "Versions": {"versions": [_MEMORY]},
    "Count": {"count": 1},
    "Learned": {
        "document": _DOCUMENT,
        "outcome": "created",
        "chunks": 1,
        "chunksNew": 1,
        "chunksKept": 0,
        "observations": [],
    },
    "Document": _DOCUMENT,
    "Documents": {"documents": [_DOCUMENT], "nextCursor": None},
    "DocumentVersions": {"versions": [_DOCUMENT]},
    "Chunks": {"chunks": [_CHUNK], "nextCursor": None},
    "Observations": {"memories": [_MEMORY]},
    "Hits": {
        "hits": [
            {
                "family": "memory",
                "id": MEMORY_ID,
                "memory": _MEMORY,
                "chunk": None,
                "score": 0.91,
                "parts": None,
                "folded": [],
            }
        ],
        "receiptId": RECEIPT_ID,
        "complete": True,
        "pending": 0,
        "searchedBy": "exact",
        "timingsMs": {"embed": 1.4, "search": 1.1, "rank": 0.2, "fetch": 0.6},
    },
    "Context": {
        "query": "What is planned for Q4?",
        "text": "Friday 8 May 2026\n[1] Ada: Meeting with John about the Q4 roadmap",
        "items": [_ITEM],
        "tokens": 19,
        "maxTokens": 500,
        "omitted": 0,
        "folded": 0,
        "countedBy": "tokenizer",
        "receiptId": RECEIPT_ID,
        "complete": True,
        "pending": 0,
    },
    "Why": {
        "memoryId": MEMORY_ID,
        "family": "memory",
        "recalled": False,
        "reason": "filtered-out",
        "text": "It does not meet: tags.",
        "limit": 10,
        "version": 1,
        "rank": None,
        "score": None,
        "parts": None,
        "similarity": 0.62,
        "filters": ["tags"],
        "searchedBy": "exact",
    },
    "Accesses": {"accesses": [{"memoryId": MEMORY_ID, "count": 3, "lastAccessed": _THEN}]},
    "Receipt": _RECEIPT,
    "Queue": {
        "waiting": 1,
        "claimed": 0,
        "poisoned": 1,
        "failed": 0,
        "ageS": 0.4,
        "rows": [
            {
                "storeId": STORE_ID,
                "owner": "ada",
                "store": "notes",
                "embeddingVersion": 1,
                "family": "memory",
                "id": MEMORY_ID,
                "version": 1,
                "reason": "written",
                "urgency": 0,
                "state": "poisoned",
                "scheduledAt": _THEN,
                "dueAt": _THEN,
                "attempts": 20,
                "lastError": "embedder",
                "claimedUntil": None,
                "poisonedAt": _THEN,
            }
        ],
    },
    "Receipts": {"receipts": [_RECEIPT], "nextCursor": None},
    "Store": _STORE,
    "Stores": {"stores": [_STORE], "nextCursor": None},
    "Grant": _GRANT,
    "Grants": {"grants": [_GRANT]},
    "Me": {
        "tenant": "acme",
        "user": "ada",
        "scopes": ["read", "write"],
        "method": "key",
        "keyId": KEY_ID,
    },
    "Tenant": _TENANT,
    "Tenants": {"tenants": [_TENANT], "nextCursor": None},
    "User": _USER,
    "Users": {"users": [_USER], "nextCursor": None},
    "Key": _KEY,
    "FreshKey": {
        **_KEY,
        "secret": f"mlk_{KEY_ID.replace('-', '')}_{'x' * 43}",
    },
    "Keys": {"keys": [_KEY], "nextCursor": None},
    "Health": {"status": "ok"},
    "FullHealth": {"status": "ok", "checks": [_FINDING]},
    "Version": {"version": __version__, "api": "v1"},
}
"""By the name of the class of the answer."""

LINES_IN: Final = (
    '{"content": "Meeting with John about the Q4 roadmap", "externalId": "mail-1"}\n'
    '{"content": "John prefers calls to mail", "externalId": "mail-2"}\n'
)
FORM_IN: Final = {"file": "(the file)", "document": {"source": "files", "tags": ["planning"]}}
LINES_OUT: Final = {
    "remember_many_memories": (
        f'{{"position": 1, "outcome": "created", "id": "{MEMORY_ID}", "version": 1}}\n'
        '{"position": 2, "outcome": "rejected", "problem": {"code": "invalid-input"}}\n'
    ),
    "import_memories": (
        '{"line": 2, "problem": {"code": "invalid-input"}}\n'
        '{"done": {"created": 1, "unchanged": 0, "updated": 0, "rejected": 1, "total": 2, '
        '"bytesDone": 140}}\n'
    ),
    "export_memories": LINES_IN.replace("externalId", "external_id"),
}
"""By the operation."""
