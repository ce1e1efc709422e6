"""Embedders: the local model of the data package, and remote models through pydantic-ai.

Importing this package loads neither a model nor an SDK; that happens at the first use.
"""

from __future__ import annotations

from memoledger.adapters.embedders.choose import open_embedder
from memoledger.adapters.embedders.local import LocalEmbedder
from memoledger.adapters.embedders.remote import RemoteEmbedder

__all__ = ["LocalEmbedder", "RemoteEmbedder", "open_embedder"]
