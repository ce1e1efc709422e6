"""Who calls: a principal, the scopes they came with, and how they proved to be it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from memoledger.model.errors import Forbidden
from memoledger.model.keys import SCOPES, Scope, ordered
from memoledger.model.principal import Principal

Method = Literal["key", "token", "development"]
"""By an API key, by a token of the organisation's identity provider, or by nothing at all."""

EVERY_SCOPE: Final = frozenset(SCOPES)


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal at the door.

    Args:
        principal: as whom every transaction of the request runs.
        scopes: what they may do; what is not in it is refused before the ledger is asked.
        method: how they proved who they are.
        key_id: the API key, where that was the method.
    """

    principal: Principal
    scopes: frozenset[Scope]
    method: Method
    key_id: UUID | None = None

    def may(self, scope: Scope) -> bool:
        """Whether they came with that scope."""
        return scope in self.scopes

    def require(self, scope: Scope) -> None:
        """Let them go on only with that scope.

        Raises:
            Forbidden: they came without it; the message names what they have.
        """
        if scope not in self.scopes:
            held = ", ".join(ordered(self.scopes)) or "none"
            raise Forbidden(
                f"This takes the scope {scope!r}; yours: {held}.",
                remedy="Use a key or token that has it; an admin of the tenant can make one.",
                scope=scope,
            )
