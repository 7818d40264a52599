"""Which sentences: deterministic samples by a hash of their keys, the same on any machine and in any order."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from cofee_dist.schemas import LabelledSentence

# Not the hash that samples are taken by: the first rows of a sample would all be held out.
_HOLD_OUT = np.uint64(0x484F4C44)


def key_hashes(page_ids: npt.ArrayLike, sentence_indices: npt.ArrayLike, seed: int) -> npt.NDArray[np.uint64]:
    """A hash for each sentence's key, uniform over uint64 (splitmix64, thrice)."""
    hashed = _mix(np.full(1, seed, np.uint64))
    for part in (page_ids, sentence_indices):
        hashed = _mix(hashed ^ np.asarray(part, np.int64).astype(np.uint64))
    return hashed


def sample_rows(hashes: npt.NDArray[np.uint64], size: int) -> npt.NDArray[np.int64]:
    """The rows with the ``size`` smallest hashes, in their order: a larger sample holds every smaller one."""
    if size >= len(hashes):
        return np.arange(len(hashes))
    return np.sort(np.argsort(hashes, kind="stable")[:size])


def hold_out(
    sentences: Sequence[LabelledSentence], share: float, seed: int
) -> tuple[list[LabelledSentence], list[LabelledSentence]]:
    """Split off about ``share`` of the sentences for validation: (to train on, held out).

    For runs without sentences labelled by people. The held-out labels are then as weak as the others: a score
    on them says how well the model agrees with the gazetteers, not how well it finds entities, and a missing
    label counts against a model that finds it. A sentence without a key is told by its text.
    """
    limit = round(share * 2**64)
    kept: list[LabelledSentence] = []
    held_out: list[LabelledSentence] = []
    for sentence, hashed in zip(sentences, _hashes(sentences, seed).tolist(), strict=True):
        (held_out if hashed < limit else kept).append(sentence)
    return kept, held_out


def _hashes(sentences: Sequence[LabelledSentence], seed: int) -> npt.NDArray[np.uint64]:
    pages = np.fromiter((sentence.page_id for sentence in sentences), np.int64, len(sentences))
    indices = np.fromiter((sentence.sentence_index for sentence in sentences), np.int64, len(sentences))
    for row in np.flatnonzero(pages < 0).tolist():
        digest = blake2b(sentences[row].text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        indices[row] = int.from_bytes(digest, "little", signed=True)
    return _mix(key_hashes(pages, indices, seed) ^ _HOLD_OUT)


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
