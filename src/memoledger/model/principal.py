"""Who acts: a user of a tenant. Every transaction of the ledger is some principal's."""

from __future__ import annotations

from dataclasses import dataclass

from memoledger.model.checks import check_name


@dataclass(frozen=True, slots=True)
class Principal:
    """A user of a tenant.

    Args:
        tenant: the organisation's name, up to 200 bytes of UTF-8.
        user: the person's or agent's name inside it, likewise.

    Raises:
        InvalidInput: a name is empty, too long, or not printable.
    """

    tenant: str
    user: str

    def __post_init__(self) -> None:
        check_name("tenant", self.tenant)
        check_name("user", self.user)
