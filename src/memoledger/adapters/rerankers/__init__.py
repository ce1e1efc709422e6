"""Rerankers: the local model's tokens compared one by one, and cross-encoders as an extra.

Importing this package loads neither a model nor a large library; that happens at the first use.
"""

from __future__ import annotations

from memoledger.adapters.rerankers.choose import open_reranker
from memoledger.adapters.rerankers.cross_encoder import CrossEncoderReranker
from memoledger.adapters.rerankers.late_interaction import LateInteractionReranker

__all__ = ["CrossEncoderReranker", "LateInteractionReranker", "open_reranker"]
