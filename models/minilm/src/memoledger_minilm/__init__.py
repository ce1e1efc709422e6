"""The files of all-MiniLM-L6-v2 as int8 ONNX, and what is to be known about them.

Importing this package reads nothing but this module; whoever loads the files checks their hashes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = [
    "DIMENSIONS",
    "MODEL_NAME",
    "MODEL_PATH",
    "MODEL_SHA256",
    "REVISION",
    "SOURCE_SHA256",
    "TOKENIZER_PATH",
    "TOKENIZER_SHA256",
    "WINDOW_TOKENS",
]

_FOLDER = Path(__file__).resolve().parent

MODEL_NAME: Final = "sentence-transformers/all-MiniLM-L6-v2"
"""The original model, as its publisher names it."""

REVISION: Final = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
"""The original's revision."""

SOURCE_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of the original model.safetensors from which model.onnx was made."""

MODEL_PATH: Final = _FOLDER / "model.onnx"
"""The quantised model: takes int64 tokens, gives float32 hidden states."""

MODEL_SHA256: Final = "3aa6bd5b03fba535ffa5430ac657b53e4a676154a1aadb1860b856d57a5b361a"
"""SHA-256 of model.onnx."""

TOKENIZER_PATH: Final = _FOLDER / "tokenizer.json"
"""The WordPiece tokenizer in the format of the `tokenizers` library."""

TOKENIZER_SHA256: Final = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
"""SHA-256 of tokenizer.json."""

DIMENSIONS: Final = 384
"""Length of a vector."""

WINDOW_TOKENS: Final = 256
"""Longest input the model was made for, in tokens, the two special ones included."""
