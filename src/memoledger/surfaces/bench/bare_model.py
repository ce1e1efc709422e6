"""The local model by itself: what embedding costs without anything around it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray


class BareModel:
    """The model by itself: tokens in, unit vectors out, one text a run, a thread a core."""

    def __init__(self) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        import memoledger_minilm as minilm

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(minilm.MODEL_PATH), sess_options=options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = Tokenizer.from_file(str(minilm.TOKENIZER_PATH))
        self._tokenizer.enable_truncation(minilm.WINDOW_TOKENS)
        self._tokenizer.no_padding()
        self._threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The texts' vectors."""
        with ThreadPoolExecutor(self._threads) as threads:
            return np.stack(list(threads.map(self._embed_one, texts)))

    def _embed_one(self, text: str) -> NDArray[np.float32]:
        tokens = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
        feed = {
            "input_ids": tokens,
            "attention_mask": np.ones_like(tokens),
            "token_type_ids": np.zeros_like(tokens),
        }
        hidden = self._session.run(["last_hidden_state"], feed)[0]
        mean: NDArray[np.float32] = hidden[0].mean(axis=0)
        return mean / np.linalg.norm(mean)
