"""From clustered entities to the members of each cluster, near its centroid and far, in their sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from cofee_dist.report.cluster_evidence import Member, MinedCluster
from cofee_dist.report.highlight import excerpt
from cofee_dist.report.schema import Sentence, Span

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: Characters of a sentence that are shown.
EXCERPT_CHARS = 240


def mined_clusters(
    entities: pa.Table,
    texts_of: Callable[[set[tuple[int, int]]], Mapping[tuple[int, int], str]],
    variances_k: NDArray[Any],
    weights_k: NDArray[Any],
    near: int,
    far: int,
) -> tuple[MinedCluster, ...]:
    """Every cluster, the largest first, each surface once in ``near`` or ``far`` of it.

    Args:
        entities: schemas.ENTITIES.
        texts_of: the sentences with these page_id and sentence_index; called once, for those that are shown.
        variances_k: V_k (Eq. 9).
        weights_k: alpha (Eq. 10).
        near: distinct surfaces to show whose nearest occurrence is nearest to the centroid.
        far: distinct surfaces to show besides, whose farthest occurrence is farthest.
    """
    import numpy as np

    frame = entities.to_pandas().sort_values(["cluster", "distance"], kind="stable")
    sizes_k = np.bincount(frame["cluster"], minlength=len(variances_k))
    types = frame.groupby(["cluster", "type"], sort=False).size()
    counts = frame.groupby(["cluster", "surface"], sort=False)["surface"].transform("size")
    distinct = frame.assign(count=counts).drop_duplicates(["cluster", "surface"])
    nearest = distinct.groupby("cluster", sort=False).head(near)
    others = frame.assign(count=counts).drop_duplicates(["cluster", "surface"], keep="last")
    shown = others.set_index(["cluster", "surface"]).index.isin(nearest.set_index(["cluster", "surface"]).index)
    farthest = others[~shown].groupby("cluster", sort=False).tail(far).iloc[::-1]
    of_type: dict[int, dict[str, int]] = {}
    for (cluster, name), number in types.sort_values(ascending=False, kind="stable").items():
        of_type.setdefault(cluster, {})[name] = int(number)
    texts = texts_of({key for rows in (nearest, farthest) for key in _keys(rows)})
    near_of, far_of = _members(nearest, texts), _members(farthest, texts)
    return tuple(
        MinedCluster(
            id=int(at),
            size=int(sizes_k[at]),
            types=of_type.get(at, {}),
            variance=float(variances_k[at]),
            weight=float(weights_k[at]),
            near=tuple(near_of.get(at, ())),
            far=tuple(far_of.get(at, ())),
        )
        for at in np.argsort(-sizes_k, kind="stable").tolist()
    )


def _keys(rows: pd.DataFrame) -> list[tuple[int, int]]:
    return list(zip(rows["page_id"].tolist(), rows["sentence_index"].tolist(), strict=True))


def _members(rows: pd.DataFrame, texts: Mapping[tuple[int, int], str]) -> dict[int, list[Member]]:
    found: dict[int, list[Member]] = {}
    for row in rows.to_dict("records"):
        span = Span(start=row["start"], end=row["end"], type=row["type"])
        text, span = excerpt(texts[row["page_id"], row["sentence_index"]], span, EXCERPT_CHARS)
        sentence = Sentence(text=text, entities=(span,))
        found.setdefault(row["cluster"], []).append(
            Member(sentence=sentence, count=row["count"], distance=row["distance"])
        )
    return found
