"""Claims: from what a verified token says to a caller.

Every identity provider puts things elsewhere, so that where tenant, user and scopes are is told by
paths: `sub`, `app_metadata.tenant`, or a name with dots in it, such as `https://example.com/tenant`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from memoledger.model.caller import Caller
from memoledger.model.errors import InvalidInput, Unauthenticated
from memoledger.model.keys import SCOPES, Scope
from memoledger.model.principal import Principal

SCOPE_CLAIMS: Final = ("scope", "scp")
"""Where scopes usually are: RFC 8693 has the first, and others the second."""

SCOPE_PREFIX: Final = "memoledger:"
"""What may stand before a scope, for a provider whose scopes are of several services."""

DEFAULT_SCOPES: Final[frozenset[Scope]] = frozenset({"read", "write"})

_PARTS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """Where in a token it says who holds it.

    Args:
        tenant: the tenant of every holder; None where a claim tells.
        tenant_claim: the path of the claim that tells; None where there is one tenant.
        user_claim: the path of the user's name.
        scope_claim: the path of the scopes: words in one text, or a list. What is not there is
            not granted then. Without it `scope` and `scp` are looked at, and a token that has
            none of our scopes there gets the default.
        default_scopes: those.
    """

    tenant: str | None
    tenant_claim: str | None
    user_claim: str = "sub"
    scope_claim: str | None = None
    default_scopes: frozenset[Scope] = DEFAULT_SCOPES

    def caller_of(self, claims: Mapping[str, Any]) -> Caller:
        """The holder of a token with these claims, which has been verified.

        Raises:
            Unauthenticated: it names no tenant or user, or one that cannot be.
        """
        tenant = self.tenant
        if tenant is None:
            tenant = _name_at(claims, self.tenant_claim or "")
        user = _name_at(claims, self.user_claim)
        try:
            principal = Principal(tenant, user)
        except InvalidInput as error:
            raise Unauthenticated(
                f"The token is good, but its {error.field} cannot be used: {error.reason}.",
                remedy="Have the identity provider put a proper name there.",
            ) from None
        return Caller(principal, self.scopes_of(claims), "token")

    def scopes_of(self, claims: Mapping[str, Any]) -> frozenset[Scope]:
        """What the holder may do."""
        if self.scope_claim is not None:
            return _scopes_in(claim_at(claims, self.scope_claim))
        found = frozenset[Scope]().union(*(_scopes_in(claims.get(name)) for name in SCOPE_CLAIMS))
        return found or self.default_scopes


def claim_at(claims: object, path: str) -> object:
    """The claim at a path, None if there is none; a name that has the dots in it comes first."""
    found = claims
    if isinstance(found, Mapping) and path in found:
        return found[path]
    for part in path.split(".")[:_PARTS_MAX]:
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def _name_at(claims: Mapping[str, Any], path: str) -> str:
    found = claim_at(claims, path)
    if not isinstance(found, str) or not found:
        raise Unauthenticated(
            f"The token is good, but has no text in its claim {path!r}.",
            remedy="Have the identity provider put it there, or set another claim.",
        )
    return found


def _scopes_in(value: object) -> frozenset[Scope]:
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list | tuple):
        return frozenset()
    known: dict[str, Scope] = {scope: scope for scope in SCOPES}
    plain = (word.removeprefix(SCOPE_PREFIX) for word in words if isinstance(word, str))
    return frozenset(known[word] for word in plain if word in known)
