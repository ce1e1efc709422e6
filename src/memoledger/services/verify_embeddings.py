"""Verify an embedding version: are its vectors all there, are they the model's, what do they find?

The figures that decide are counted over everything; what a model is worth is shown on a sample.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from memoledger.ledger.embedding_texts import Owner
from memoledger.ledger.embedding_work import EmbeddingWork
from memoledger.model.embedding_states import Check, KeptVersion, Verification
from memoledger.ports import Embedder
from memoledger.services.fill_embeddings import texts_of

SAMPLE: Final = 100
"""Texts that are looked at closely, unless told otherwise."""

ALIKE_MIN: Final = 0.99
"""Cosine from which a vector is taken for the model's own: half precision and another processor
change the fourth digit."""

OVERLAP_WARN: Final = 0.2
"""Of the ten nearest in the other version, the part below which something may be wrong. Good models
differ: a small and a large one have about half in common."""


async def verify(
    work: EmbeddingWork,
    kept: KeptVersion,
    serving: KeptVersion | None,
    embedder: Embedder | None,
    *,
    sample: int = SAMPLE,
) -> Verification:
    """Look at all vectors of a version, and at a sample closely.

    Args:
        serving: the version that serves, with which it is compared; None for no comparison.
        embedder: makes vectors of this version; None where it is not to be had.
        sample: texts of the sample.

    Raises:
        EmbedderError: the model failed.
    """
    checks = [await _counts(work, kept), await _form(work, kept), await _places(work, kept)]
    if embedder is not None:
        checks.append(await _model(work, kept, embedder, sample))
    if serving is not None and serving.number != kept.number:
        checks.append(await _overlap(work, kept, serving, sample))
        checks.append(await find_missing_indexes(work, kept, serving))
    return Verification(kept.name, kept.state, tuple(checks))


async def _counts(work: EmbeddingWork, kept: KeptVersion) -> Check:
    counts = await work.checks.counts(kept.number)
    missing = await work.texts.missing(kept.number)
    told = ", ".join(f"{one.vectors:,} of {one.texts:,} {one.family} {one.view}" for one in counts)
    figures = {
        "missing": missing,
        "views": [
            {"family": one.family, "view": one.view, "texts": one.texts, "vectors": one.vectors}
            for one in counts
        ],
    }
    if missing:
        message = f"{missing:,} texts lack a vector ({told})."
        return Check("counts", "fail", message, figures)
    return Check(
        "counts", "ok", f"Every text has its vector ({told or 'there are none'}).", figures
    )


async def _form(work: EmbeddingWork, kept: KeptVersion) -> Check:
    wrong, uneven = await work.checks.malformed(kept.number)
    figures = {"wrong_length": wrong, "not_unit": uneven}
    if wrong or uneven:
        message = f"{wrong:,} vectors have another dimension, {uneven:,} are not of length 1."
        return Check("dimensions", "fail", message, figures)
    message = f"All vectors have {kept.dimensions} dimensions and length 1."
    return Check("dimensions", "ok", message, figures)


async def _places(work: EmbeddingWork, kept: KeptVersion) -> Check:
    orphaned, wrong = await work.checks.misplaced(kept.number)
    figures = {"orphaned": orphaned, "outdated": wrong}
    if orphaned or wrong:
        message = (
            f"{orphaned:,} vectors belong to nothing, {wrong:,} do not know how it stands with "
            "theirs; `memoledger embeddings refresh` puts that right."
        )
        return Check("places", "fail", message, figures)
    return Check("places", "ok", "Every vector belongs to a text and ends with it.", figures)


async def _model(work: EmbeddingWork, kept: KeptVersion, embedder: Embedder, sample: int) -> Check:
    """Embeds a sample again. Vectors may have been given by callers, but only while it served."""
    owners = await work.checks.sample(kept.number, sample)
    stored = await work.checks.vectors(kept.number, owners)
    texts = await texts_of(work, owners)
    known = [owner for owner in owners if owner in stored and owner in texts]
    if not known:
        return Check("model", "ok", "There is nothing to compare yet.", {"compared": 0})
    made = await embedder.embed([texts[owner] for owner in known], input_type="document")
    cosines = np.array(
        [float(stored[owner] @ vector) for owner, vector in zip(known, made, strict=True)]
    )
    alike = int((cosines >= ALIKE_MIN).sum())
    figures = {"compared": len(known), "alike": alike, "least_cosine": float(cosines.min())}
    if alike == len(known):
        message = f"Embedded again, {alike:,} of {len(known):,} texts give the same vector."
        return Check("model", "ok", message, figures)
    message = f"Embedded again, {len(known) - alike:,} of {len(known):,} texts give another vector."
    if kept.served_at is not None:
        return Check("model", "warn", f"{message} Callers may have given theirs.", figures)
    return Check("model", "fail", message, figures)


async def _overlap(
    work: EmbeddingWork, kept: KeptVersion, serving: KeptVersion, sample: int
) -> Check:
    """How much of what is near in the version that serves is near in this one."""
    owners = await work.checks.sample(kept.number, sample)
    shares: list[float] = []
    for owner in owners:
        share = await _shared(work, kept, serving, owner)
        if share is not None:
            shares.append(share)
    if not shares:
        return Check("overlap", "ok", "There is nothing to compare yet.", {"compared": 0})
    mean = float(np.mean(shares))
    figures = {"compared": len(shares), "overlap@10": mean}
    message = (
        f"Of the ten nearest in {serving.name} {mean:.0%} are among the ten nearest here "
        f"({len(shares):,} texts)."
    )
    return Check("overlap", "warn" if mean < OVERLAP_WARN else "ok", message, figures)


async def _shared(
    work: EmbeddingWork, kept: KeptVersion, serving: KeptVersion, owner: Owner
) -> float | None:
    before = await work.checks.nearest(serving.number, owner)
    after = await work.checks.nearest(kept.number, owner)
    return len(before & after) / len(before) if before else None


async def find_missing_indexes(
    work: EmbeddingWork, kept: KeptVersion, serving: KeptVersion
) -> Check:
    """Whether the stores that have an index in the version that serves have one in this one."""
    stores = await work.checks.without_index(kept.number, serving.number)
    figures = {"without_index": [{"tenant": t, "owner": o, "store": s} for t, o, s in stores]}
    if stores:
        message = (
            f"{len(stores):,} large stores have no index in it, and would be searched slowly; "
            "`memoledger stores indexes --build` makes them."
        )
        return Check("indexes", "fail", message, figures)
    return Check("indexes", "ok", "Every large store has its index in it.", figures)
