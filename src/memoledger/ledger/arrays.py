"""Arrays of ids and versions in PostgreSQL's text form, for statements that cast them.

psycopg looks for the type of every element first; for the thirty ids of a recall that takes as long
as a millisecond's tenth, which these take a hundredth of. A statement says what they are:
`%(memory_ids)s::uuid[]`.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID


def uuid_array(ids: Iterable[UUID]) -> str:
    """The text of a `uuid[]`."""
    return "{" + ",".join([f"{one.int:032x}" for one in ids]) + "}"


def integer_array(numbers: Iterable[int]) -> str:
    """The text of an `integer[]`."""
    return "{" + ",".join(map(str, numbers)) + "}"
