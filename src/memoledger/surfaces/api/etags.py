"""ETags: a memory's version as an entity tag (RFC 9110, 8.8.3), and what If-Match asks for."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request

from memoledger.model.errors import Malformed

ANY: Final = "*"
_TAG: Final = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)')


def etag_of(version: int) -> str:
    """The entity tag of a version."""
    return f'"{version}"'


def wanted_versions(request: Request) -> frozenset[int] | None:
    """The versions that If-Match takes; None where any will do, empty where none can.

    Tags that are weak, or no version, match nothing: If-Match compares strongly.

    Raises:
        Malformed: the header is no list of entity tags.
    """
    given = _given(request, "if-match")
    if given in ("", ANY):
        return None
    tags = _tags("If-Match", given)
    return frozenset(int(tag) for weak, tag in tags if not weak and _is_version(tag))


def is_known(request: Request, version: int) -> bool:
    """Whether If-None-Match says that the client has this version already.

    Raises:
        Malformed: the header is no list of entity tags.
    """
    given = _given(request, "if-none-match")
    if given in ("", ANY):
        return given == ANY
    return any(tag == str(version) for _, tag in _tags("If-None-Match", given))


def _given(request: Request, name: str) -> str:
    return ",".join(request.headers.getlist(name)).strip()


def _tags(name: str, given: str) -> list[tuple[bool, str]]:
    """Each tag, and whether it is weak."""
    tags, place = [], 0
    while place < len(given):
        found = _TAG.match(given, place)
        if found is None:
            raise Malformed(
                name,
                given,
                "it is no list of entity tags",
                remedy='Send back the ETag that came with the memory, for example "3".',
            )
        tags.append((found[1] is not None, found[2]))
        place = found.end()
    return tags


def _is_version(tag: str) -> bool:
    return tag.isascii() and tag.isdigit() and len(tag) <= 10
