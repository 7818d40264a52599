"""What ``cofee clusters`` tells: evidence for each K, and one K's clusters with entities in their sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from cofee_dist.report.fields import Count, Counts, Number, Part, Percent
from cofee_dist.report.schema import Sentence
from cofee_dist.report.text import count


class KEvidence(Part):
    """One K.

    ``objective``: sum of squared distances to the centroids; ``fall``: by how many percent it lies below that of the
    next smaller K. ``silhouette`` and ``stability``: see ``mining.choose_k``. ``smallest``, ``largest``: members of
    the smallest cluster that has any, and of the largest. ``purity`` (percent) and ``nmi`` (0 to 1) need known fine
    types.
    """

    k: Count
    objective: Number
    fall: Number = None
    silhouette: Number = None
    stability: Number = None
    smallest: Count
    largest: Count
    empty: Count = 0
    purity: Percent = None
    nmi: Number = None


class Member(Part):
    """A surface form of a cluster in one of its sentences; ``count``: how often it is in the cluster.

    ``distance`` is squared, to the centroid, in the space that k-means saw.
    """

    sentence: Sentence
    count: Count
    distance: Number

    @property
    def surface(self) -> str:
        """The entity's text."""
        span = self.sentence.entities[0]
        return self.sentence.text[span.start : span.end]


class MinedCluster(Part):
    """A cluster: V_k (Eq. 9), its weight alpha (Eq. 10), distinct surfaces near its centroid and far from it."""

    id: Count
    size: Count
    types: Counts = Field(default_factory=dict)
    variance: Number
    weight: Number
    near: tuple[Member, ...] = ()
    far: tuple[Member, ...] = ()


class ClusterEvidence(Part):
    """Evidence for several K, ascending, and the clusters of the K ``shown``, the largest first.

    ``iteration`` is the label set D_s^best; ``configured`` the config's K; ``sample`` the entities that silhouettes
    were computed of; ``notes`` say what is missing and why.
    """

    run: str
    types: tuple[str, ...]
    iteration: Count
    entities: Count
    seed: int
    sample: Count
    halves: Count
    configured: Count
    shown: Count
    pca_dimensions: Count | None = None
    variance: Literal["mean", "sum"]
    rows: tuple[KEvidence, ...]
    clusters: tuple[MinedCluster, ...]
    notes: tuple[str, ...] = ()

    def best(self, value: Callable[[KEvidence], float | None]) -> KEvidence | None:
        """The row whose value is highest, of equal ones that of the smallest K; None where none is known."""
        known = [row for row in self.rows if value(row) is not None]
        return max(known, key=lambda row: value(row) or 0.0) if known else None


def finding(evidence: ClusterEvidence) -> str:
    """Which K is the most stable, and which has the highest silhouette, in a sentence or two."""
    stable, clear = evidence.best(lambda row: row.stability), evidence.best(lambda row: row.silhouette)
    parts = []
    if stable is not None:
        parts.append(f"K = {stable.k} is the most stable ({stable.stability:.2f}).")
    if clear is not None:
        sampled = evidence.sample < evidence.entities
        of = f"on {count(evidence.sample)} of the entities" if sampled else "on all entities"
        parts.append(f"K = {clear.k} has the highest silhouette ({clear.silhouette:.3f}, {of}).")
    return " ".join(parts) or "Too few entities to say more than the objective."
