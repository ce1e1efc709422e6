"""Authenticate: from what a request brings along to who it is.

A key is looked up once and trusted for a few seconds from then on; a background task asks for all
keys in use at once, so that a busy caller does not wait for a lookup. A key revoked by this process
is refused at once, one revoked by another after those few seconds at the latest. The same questions
note when keys were last used.

Failed attempts are counted by client address. Over the limit, nothing of that address is looked at
any more but keys that are known to be good: a neighbour with a wrong key locks nobody out.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

import structlog

from memoledger.ledger.keys import Keys, KeyUse
from memoledger.ledger.stores import Stores
from memoledger.model.attempts import Attempts
from memoledger.model.caller import EVERY_SCOPE, Caller
from memoledger.model.errors import MemoledgerError, TooManyAttempts, Unauthenticated
from memoledger.model.keys import KEY_PREFIX, ApiKey, digest_of, key_id_of
from memoledger.model.principal import Principal
from memoledger.ports import Clock, TokenVerifier

KEYS_MAX: Final = 10_000
"""Keys remembered at a time, about 10 MB; the one unused for longest makes room."""

PRINCIPALS_MAX: Final = 10_000
"""Holders of tokens that are known to be noted in the ledger."""

LOOKUPS_AT_ONCE: Final = 2
"""Of keys not known: a flood of wrong ones must not take all connections of the pool."""

ASKED_AT_ONCE: Final = 200
"""Keys in one question of the background task: no longer a moment than a recall's."""

UNUSED_S: Final = 60.0
"""After which a key is asked for at its next use rather than in the background."""

CREDENTIALS_CHARS_MAX: Final = 16_384

K = TypeVar("K")
V = TypeVar("V")

_log = structlog.get_logger("memoledger")


@dataclass(slots=True)
class _Known:
    """A key that was found good.

    Args:
        checked_s, used_s, noted_s: on the monotonic clock.
    """

    key: ApiKey
    caller: Caller
    checked_s: float
    used_s: float
    noted_s: float


class Authenticator:
    """Tells who calls. Use it in one event loop.

    Args:
        tokens: what verifies tokens of an identity provider; None where none are taken.
        trusted_s: seconds a key is trusted after it was asked for; 0 to ask each time.
        attempts_max: failures of one address in a minute after which it has to wait; 0 for any.
        monotonic: seconds of a clock that is never set.
    """

    def __init__(
        self,
        keys: Keys,
        stores: Stores,
        clock: Clock,
        *,
        tokens: TokenVerifier | None = None,
        trusted_s: float = 5.0,
        attempts_max: int = 20,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._stores = stores
        self._clock = clock
        self._tokens = tokens
        self._trusted_s = trusted_s
        self._monotonic = monotonic
        self._attempts = Attempts(attempts_max)
        # By digest: no secret stays in memory, and how long finding one takes tells nothing of it.
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._revoked: OrderedDict[UUID, None] = OrderedDict()
        self._noted: OrderedDict[Principal, None] = OrderedDict()
        self._lookups = asyncio.Semaphore(LOOKUPS_AT_ONCE)
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.trusted = 0
        """Credentials that were known from a moment ago."""
        self.asked = 0
        """Credentials that had to be looked at, good or not."""

    async def caller(self, credentials: str | None, client: str) -> Caller:
        """Who brings these credentials.

        Args:
            credentials: an API key or a token, without the word Bearer before it; None for none.
            client: the address it comes from, as the server saw it.

        Raises:
            Unauthenticated: there are none, or they are wrong, expired or revoked.
            TooManyAttempts: too many of that address were wrong in the last minute.
            LedgerUnavailable: they could not be looked up.
        """
        text = "" if credentials is None else credentials.strip()
        if not text:
            raise _nothing_came()
        digest = digest_of(text)
        trusted = self._trusted(digest)
        if trusted is not None:
            self.trusted += 1
            return trusted
        self.asked += 1
        self._refuse_too_many(client)
        try:
            if len(text) > CREDENTIALS_CHARS_MAX:
                raise _not_good()
            if text.startswith(KEY_PREFIX):
                return await self._caller_by_key(text, digest)
            return await self._caller_by_token(text)
        except Unauthenticated:
            self._attempts.failed(client, self._monotonic())
            raise

    async def development(self, principal: Principal) -> Caller:
        """The caller of a service without keys, for development; with every scope.

        Raises:
            LedgerUnavailable: they could not be noted in the ledger.
        """
        await self._introduce(principal)
        return Caller(principal, EVERY_SCOPE, "development")

    def forget(self, key_id: UUID) -> None:
        """Trust a key no more, because it was revoked; other processes find that out themselves."""
        _remember(self._revoked, key_id, None, most=KEYS_MAX)
        for digest in [digest for digest, known in self._known.items() if known.key.id == key_id]:
            del self._known[digest]

    async def refresh(self) -> None:
        """Ask for the keys in use, all at once; note their use; forget those not good any more.

        Raises:
            LedgerUnavailable: the ledger could not be asked.
        """
        asked = list(self._known.items())
        for first in range(0, len(asked), ASKED_AT_ONCE):
            batch = asked[first : first + ASKED_AT_ONCE]
            began_s = self._monotonic()
            uses = [_use(digest, known, began_s) for digest, known in batch]
            good = await self._keys.still_good(uses)
            for digest, known in batch:
                known.noted_s = began_s
                known.checked_s = began_s
                if digest not in good or began_s - known.used_s > UNUSED_S:
                    self._known.pop(digest, None)

    async def aclose(self) -> None:
        """Stop asking. Safe to call twice."""
        self._closed = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._tokens is not None:
            await self._tokens.aclose()

    def _trusted(self, digest: bytes) -> Caller | None:
        """The caller of a key that was asked for a moment ago."""
        known = self._known.get(digest)
        if known is None:
            return None
        now_s = self._monotonic()
        if now_s - known.checked_s > self._trusted_s or not known.key.is_good_at(self._clock.now()):
            return None
        known.used_s = now_s
        self._known.move_to_end(digest)
        return known.caller

    async def _caller_by_key(self, text: str, digest: bytes) -> Caller:
        key_id = key_id_of(text)
        if key_id is None or key_id in self._revoked:
            raise _not_good()
        async with self._lookups:
            trusted = self._trusted(digest)  # Others may have asked while this one waited.
            if trusted is not None:
                return trusted
            began_s = self._monotonic()
            found = await self._keys.find(key_id, digest)
        if found is None or key_id in self._revoked:
            self._known.pop(digest, None)
            raise _not_good()
        caller = Caller(Principal(found.tenant, found.user), found.scopes, "key", found.id)
        if self._trusted_s > 0:
            known = _Known(found, caller, began_s, began_s, began_s)
            _remember(self._known, digest, known, most=KEYS_MAX)
            self._keep_asking()
        return caller

    async def _caller_by_token(self, token: str) -> Caller:
        if self._tokens is None:
            raise _not_good()
        caller = await self._tokens.caller(token)
        await self._introduce(caller.principal)
        return caller

    async def _introduce(self, principal: Principal) -> None:
        """Note a user of an identity provider at their first request; keys' users are noted."""
        if principal not in self._noted:
            await self._stores.introduce(principal)
        _remember(self._noted, principal, None, most=PRINCIPALS_MAX)

    def _refuse_too_many(self, client: str) -> None:
        wait_s = self._attempts.wait_s(client, self._monotonic())
        if wait_s:
            raise TooManyAttempts(
                "Too many keys or tokens from this address were wrong.",
                retry_after_s=wait_s,
                remedy=f"Try again in {wait_s} s, with a good one.",
            )

    def _keep_asking(self) -> None:
        """Have the background task run while there is anything to ask."""
        if not self._closed and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._ask_forever())

    async def _ask_forever(self) -> None:
        while self._known:
            await asyncio.sleep(self._trusted_s / 2)
            try:
                await self.refresh()
            except MemoledgerError as error:
                # No key is trusted for longer because of that: each is looked up at its next use.
                _log.warning("keys_not_asked", code=error.code)


def _use(digest: bytes, known: _Known, now_s: float) -> KeyUse:
    """What is said of a key when it is asked for; its use, if it was used since last time."""
    used = known.used_s > known.noted_s
    return KeyUse(known.key.id, digest, now_s - known.used_s if used else None)


def _remember(kept: OrderedDict[K, V], key: K, value: V, *, most: int) -> None:
    """Keep it as the one used last; the one unused for longest makes room."""
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)


def _nothing_came() -> Unauthenticated:
    return Unauthenticated(
        "No key came along.",
        remedy="Send an API key or a token: `Authorization: Bearer …`.",
    )


def _not_good() -> Unauthenticated:
    """The same for all that is wrong, so that nobody learns what of it was right."""
    return Unauthenticated(
        "The key or token is wrong, expired or revoked.",
        remedy="Check it, or have a new one made: `memoledger keys create`.",
    )
