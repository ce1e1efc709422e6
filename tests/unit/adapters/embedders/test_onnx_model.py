from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.adapters.embedders.local import packaged_weights
from memoledger.adapters.embedders.onnx_model import OnnxModel, check_sha256, pieces
from memoledger.model.errors import EmbedderError


@pytest.fixture(scope="module")
def model() -> OnnxModel:
    return OnnxModel.load(packaged_weights())


@given(st.text(max_size=200), st.integers(1, 50))
def test_pieces_put_together_are_the_text(text: str, chars: int) -> None:
    cut = list(pieces(text, chars))
    assert "".join(cut) == text
    assert all(len(piece) <= chars for piece in cut)


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(st.lists(WORDS, min_size=1, max_size=40), st.sampled_from([" ", "\n", "\t"]))
def test_cutting_at_white_space_does_not_change_the_tokens(
    model: OnnxModel, words: list[str], space: str
) -> None:
    text = space.join(words)
    tokenizer = model._tokenizer
    whole = tokenizer.encode(text, add_special_tokens=False).ids
    cut = [
        token
        for piece in pieces(text, 30)
        for token in tokenizer.encode(piece, add_special_tokens=False).ids
    ]
    assert cut == whole


def test_the_names_of_control_tokens_are_text(model: OnnxModel) -> None:
    assert model.token_count("[SEP]") == 3
    assert model.token_count("hello world") == 2


def test_the_hash_of_a_changed_file_is_refused(tmp_path: Path) -> None:
    weights = packaged_weights()
    changed = tmp_path / "model.onnx"
    data = bytearray(weights.model_path.read_bytes())
    data[-1] ^= 1
    changed.write_bytes(data)
    with pytest.raises(EmbedderError) as caught:
        OnnxModel.load(replace(weights, model_path=changed))
    error = caught.value
    assert str(changed) in error.message
    assert weights.model_sha256 in error.message
    assert str(error.details["actual_sha256"]) in error.message
    assert "pip install --force-reinstall memoledger-minilm" in (error.remedy or "")


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    weights = packaged_weights()
    short = tmp_path / "tokenizer.json"
    short.write_bytes(weights.tokenizer_path.read_bytes()[:1000])
    with pytest.raises(EmbedderError, match=r"tokenizer\.json is damaged"):
        OnnxModel.load(replace(weights, tokenizer_path=short))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match=r"gone\.onnx cannot be read: No such file"):
        check_sha256(tmp_path / "gone.onnx", "0" * 64)


def test_a_file_that_is_no_model_is_an_embedder_error(tmp_path: Path) -> None:
    import hashlib

    weights = packaged_weights()
    other = tmp_path / "model.onnx"
    other.write_bytes(b"not a model")
    digest = hashlib.sha256(b"not a model").hexdigest()
    with pytest.raises(EmbedderError, match="could not be loaded"):
        OnnxModel.load(replace(weights, model_path=other, model_sha256=digest))
