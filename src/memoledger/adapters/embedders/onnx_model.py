"""A sentence model in ONNX with its tokenizer: files checked, loaded, run one text at a time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from memoledger.adapters.embedders.windows import window_spans
from memoledger.model.errors import EmbedderError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

OVERLAP_TOKENS: Final = 32
"""Tokens that neighbouring windows of a long text share: a sentence or two."""

WINDOWS_MAX: Final = 32
"""Most windows run for one text: about 7,100 tokens, or five thousand words, are seen in full."""

PIECE_CHARS: Final = 4_096
"""Longest piece given to the tokenizer at once; it holds the interpreter lock for some 3 ms."""

REINSTALL: Final = "Run: pip install --force-reinstall memoledger-minilm"

_LENGTH_MIN: Final = 1e-12
"""What a vector is divided by at least."""

Vector = NDArray[np.float32]


class Session(Protocol):
    """The one method of onnxruntime's InferenceSession that is used."""

    def run(
        self, output_names: list[str], feed: dict[str, NDArray[np.int64]]
    ) -> list[NDArray[np.float32]]:
        """Compute the named outputs; releases the interpreter lock."""
        ...


@dataclass(frozen=True, slots=True)
class Weights:
    """The two files of a model, what their SHA-256 has to be, and the model's measures.

    Args:
        revision: the publisher's revision the files were made from.
        dimensions: length of the model's vectors.
        window_tokens: longest input, the two special tokens included.
    """

    model_path: Path
    model_sha256: str
    tokenizer_path: Path
    tokenizer_sha256: str
    revision: str
    dimensions: int
    window_tokens: int


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """A text token by token, special tokens left out.

    Args:
        ids: the tokens' numbers in the vocabulary; those shared by two windows come twice.
        vectors: what the model made of each where it stands, shape (len(ids), dimensions), each
            row of Euclidean length 1.
    """

    ids: tuple[int, ...]
    vectors: NDArray[np.float32]


class OnnxModel:
    """A loaded model. Safe to use from several threads; none of its methods awaits anything."""

    def __init__(self, session: Session, tokenizer: Tokenizer, window_tokens: int) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._content_tokens = window_tokens - 2
        self._first = _special_token(tokenizer, "[CLS]")
        self._last = _special_token(tokenizer, "[SEP]")
        # One text a run has no padding: the mask is all ones, and every run takes a slice of these.
        self._ones = np.ones((1, window_tokens), dtype=np.int64)
        self._zeros = np.zeros((1, window_tokens), dtype=np.int64)

    @classmethod
    def load(cls, weights: Weights) -> OnnxModel:
        """Check both files and load them; takes some tenths of a second.

        Raises:
            EmbedderError: a file is missing, unreadable or not the expected one; or
                onnxruntime or tokenizers is not installed or cannot load it.
        """
        check_sha256(weights.model_path, weights.model_sha256)
        check_sha256(weights.tokenizer_path, weights.tokenizer_sha256)
        try:
            session = _open_session(weights.model_path)
            tokenizer = _open_tokenizer(weights.tokenizer_path)
        except Exception as error:  # both libraries raise classes of their own, some bare Exception
            raise EmbedderError(
                f"The local embedding model could not be loaded: {type(error).__name__}: {error}.",
                remedy="Check that onnxruntime and tokenizers are installed for this processor"
                " and Python, or choose a remote embedder.",
            ) from error
        return cls(session, tokenizer, weights.window_tokens)

    def embed_steps(self, text: str) -> Generator[None, None, Vector]:
        """Compute the sum of the token vectors of `text`; yields between its costly parts.

        The mean over all tokens points the same way as their sum, so for a text of one window this
        is mean pooling, and for a text of several it is the mean of the windows' means weighted by
        their tokens. The caller normalises.

        Returns (as the generator's value) float32 of the model's dimensions.
        """
        windows = yield from self._windows(text, WINDOWS_MAX)
        total: Vector = self._run(windows[0]).sum(axis=0)
        for window in windows[1:]:
            yield
            total = total + self._run(window).sum(axis=0)
        return total

    def token_steps(self, text: str, windows_max: int) -> Generator[None, None, TokenVectors]:
        """Compute the vectors of the tokens of `text`; yields between its costly parts.

        Args:
            windows_max: windows run at most, 2 or more, spread evenly over a text of more.
        """
        windows = yield from self._windows(text, windows_max)
        rows: list[NDArray[np.float32]] = []
        for place, window in enumerate(windows):
            if place:
                yield
            rows.append(self._run(window)[1:-1])
        vectors = np.concatenate(rows)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _LENGTH_MIN)
        return TokenVectors(tuple([token for window in windows for token in window]), vectors)

    def token_count(self, text: str) -> int:
        """Number of tokens of `text`, without the special ones."""
        return sum(
            len(self._tokenizer.encode(piece, add_special_tokens=False).ids)
            for piece in pieces(text, PIECE_CHARS)
        )

    def _windows(self, text: str, windows_max: int) -> Generator[None, None, list[list[int]]]:
        """The tokens of each window that is run; one empty window for a text without any."""
        tokens: list[int] = []
        for part, piece in enumerate(pieces(text, PIECE_CHARS)):
            if part:
                yield
            tokens += self._tokenizer.encode(piece, add_special_tokens=False).ids
        spans = window_spans(
            len(tokens),
            length=self._content_tokens,
            overlap=OVERLAP_TOKENS,
            windows_max=windows_max,
        )
        return [tokens[start:stop] for start, stop in spans]

    def _run(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """The hidden states of one window, those of the two special tokens first and last."""
        inputs = np.array([[self._first, *tokens, self._last]], dtype=np.int64)
        length = inputs.shape[1]
        feed = {
            "input_ids": inputs,
            "attention_mask": self._ones[:, :length],
            "token_type_ids": self._zeros[:, :length],
        }
        hidden: NDArray[np.float32] = self._session.run(["last_hidden_state"], feed)[0][0]
        return hidden


def pieces(text: str, chars: int) -> Iterator[str]:
    """Cut `text` into pieces of at most `chars` characters, after white space where there is some.

    WordPiece works word by word, so the tokens of the pieces are the tokens of the text; only a run
    of more than `chars` characters without a space, tab or line break is cut inside.
    """
    start = 0
    while len(text) - start > chars:
        end = start + chars
        cut = max(text.rfind(space, start, end) for space in " \n\t")
        end = cut + 1 if cut >= start else end
        yield text[start:end]
        start = end
    yield text[start:] if start else text


def check_sha256(path: Path, expected: str) -> None:
    """Read the file and compare its hash.

    Raises:
        EmbedderError: the file cannot be read or has another hash.
    """
    try:
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EmbedderError(
            f"The local model's file {path} cannot be read: {error.strerror or error}.",
            remedy=REINSTALL,
            file=str(path),
        ) from error
    if actual != expected:
        raise EmbedderError(
            f"The local model's file {path} is damaged or was changed:"
            f" its SHA-256 is {actual}, expected {expected}.",
            remedy=REINSTALL,
            file=str(path),
            actual_sha256=actual,
            expected_sha256=expected,
        )


def _open_session(path: Path) -> Session:
    # It would otherwise report its use to its maker, and keep files for that in the home folder.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime  # takes 0.2 s, so not before it is needed

    options: Any = onnxruntime.SessionOptions()
    # The calling thread does the work; parallelism comes from several of them sharing the session.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    session: Session = onnxruntime.InferenceSession(
        str(path), sess_options=options, providers=["CPUExecutionProvider"]
    )
    return session


def _open_tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    # A user's text that happens to contain "[SEP]" is text, not a control token.
    tokenizer.encode_special_tokens = True
    return tokenizer


def _special_token(tokenizer: Tokenizer, token: str) -> int:
    number = tokenizer.token_to_id(token)
    if number is None:
        raise EmbedderError(f"The local model's tokenizer has no {token} token.", remedy=REINSTALL)
    return number
