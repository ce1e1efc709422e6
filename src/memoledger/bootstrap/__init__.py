"""The only wiring: from settings to an open ledger with its adapters."""

from memoledger.bootstrap.administration import (
    administering_embeddings,
    all_artifacts,
    changing_embeddings,
    indexing,
    queueing,
)
from memoledger.bootstrap.application import Application, artifacts_of, open_application
from memoledger.bootstrap.place import APP_ROLE, Place, administering, placed
from memoledger.bootstrap.schema import check_rights, make_ready, migrate

__all__ = [
    "APP_ROLE",
    "Application",
    "Place",
    "administering",
    "administering_embeddings",
    "all_artifacts",
    "artifacts_of",
    "changing_embeddings",
    "check_rights",
    "indexing",
    "make_ready",
    "migrate",
    "open_application",
    "placed",
    "queueing",
]
