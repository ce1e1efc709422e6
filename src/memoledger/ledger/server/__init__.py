"""A server that the user gave: reached, and checked before anything is changed in it."""

from memoledger.ledger.server.checks import ServerReport, check_server
from memoledger.ledger.server.connecting import connect_with_retry

__all__ = ["ServerReport", "check_server", "connect_with_retry"]
