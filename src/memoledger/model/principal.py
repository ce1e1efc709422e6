"""Who acts: a user of a tenant. Every transaction of the ledger is some principal's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from memoledger.model.checks import check_name
from memoledger.model.errors import InvalidInput

LEDGER_ACTOR: Final = "system"
"""What the audit calls the ledger itself, when it sweeps for example. No user has that name."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A user of a tenant.

    Args:
        tenant: the organisation's name, up to 200 bytes of UTF-8.
        user: the person's or agent's name inside it, likewise.

    Raises:
        InvalidInput: a name is empty, too long, not printable, or the user is called "system".
    """

    tenant: str
    user: str

    def __post_init__(self) -> None:
        check_name("tenant", self.tenant)
        check_user("user", self.user)


def check_grantee(principal: Principal, user: object) -> str:
    """The name of another user, with whom a principal may share."""
    name = check_user("user", user)
    if name == principal.user:
        raise InvalidInput("user", name, "that is yourself", remedy="Name the user to share with.")
    return name


def check_user(field: str, value: object) -> str:
    """The name of a user: a name, and not the one the ledger has in the audit."""
    name = check_name(field, value)
    if name == LEDGER_ACTOR:
        raise InvalidInput(
            field, name, "in the audit that is the ledger itself", remedy="Choose another name."
        )
    return name
