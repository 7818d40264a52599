"""How well the gazetteers met the anchors: what hit, how often, and which entries are ambiguous."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import nsmallest
from itertools import islice
from typing import Any

from cofee_dist.config import Labels
from cofee_dist.errors import UserError
from cofee_dist.labels.gazetteer import Gazetteer

_TOP = 20


def match_report(gazetteer: Gazetteer, hits: Mapping[str, int], anchors: int) -> dict[str, Any]:
    """Sum up a join of anchors with a gazetteer, for people and for ``report.json``.

    Args:
        gazetteer: what was matched.
        hits: for each entry that an anchor named, how many anchors did; dropped entries included.
        anchors: how many anchors there were.

    Returns:
        anchors, anchors_typed, coverage (their share), types (for each type: entries, duplicates, ambiguous,
        entries_hit, anchors_typed, coverage, top_hits, top_ambiguous, never_hit), warnings. ``never_hit`` counts the
        entries that no anchor named; its examples are the first of them as the lists have them, dropped ones last.
    """
    labelling = {entry: count for entry, count in hits.items() if entry in gazetteer.entries}
    shared = {entry: count for entry, count in hits.items() if entry in gazetteer.ambiguous}
    typed = sum(labelling.values())
    types = {
        name: {
            **_type_report(gazetteer, name, _of_type(labelling, gazetteer.entries, name), shared, anchors),
            "never_hit": _never_hit(gazetteer, name, hits),
        }
        for name in gazetteer.counts
    }
    warnings = [
        f"no anchor matches an entry of type {name} ({', '.join(gazetteer.files.get(name, ()))}): it gets no weak label"
        for name, report in types.items()
        if not report["anchors_typed"]
    ]
    return {
        "anchors": anchors,
        "anchors_typed": typed,
        "coverage": _share(typed, anchors),
        "types": types,
        "warnings": warnings,
    }


def require_matches(report: Mapping[str, Any], gazetteer: Gazetteer, labels: Labels) -> None:
    """Raise UserError if no type matched anything; a single type without matches is only a warning."""
    if report["anchors_typed"]:
        return
    files = "; ".join(f"{name}: {', '.join(files)}" for name, files in gazetteer.files.items())
    if not report["anchors"]:
        raise UserError(
            "there are no anchors to match the gazetteers with: no sentence has any",
            fix="give a wiki dump with links, or lower corpus.min_anchors",
        )
    advice = ["check that the gazetteers are in the language of the dump"]
    if not labels.ignore_case:
        advice.append("set labels.ignore_case=true if their case differs")
    if labels.chinese == "none" and any(map(_has_han, gazetteer.entries)):
        advice.append("set labels.chinese=simplified if one is in simplified and the other in traditional Chinese")
    if labels.match_on != "both":
        advice.append("set labels.match_on=both to compare with the titles of linked pages as well")
    if labels.ambiguity == "drop":
        advice.append("set labels.ambiguity=keep_all if the types share their entries")
    raise UserError(
        f"none of {report['anchors']:,} anchors matches a gazetteer entry of any type",
        where=files,
        fix=", ".join(advice),
    )


def _type_report(
    gazetteer: Gazetteer, name: str, hits: Mapping[str, int], shared: Mapping[str, int], anchors: int
) -> dict[str, Any]:
    counts = gazetteer.counts[name]
    typed = sum(hits.values())
    return {
        "entries": counts.entries,
        "duplicates": counts.duplicates,
        "ambiguous": counts.ambiguous,
        "entries_hit": len(hits),
        "anchors_typed": typed,
        "coverage": _share(typed, anchors),
        "top_hits": _top(hits.items()),
        "top_ambiguous": [
            {**hit, "types": list(gazetteer.ambiguous[hit["entry"]])}
            for hit in _top(_of_type(shared, gazetteer.ambiguous, name).items())
        ],
    }


def _never_hit(gazetteer: Gazetteer, name: str, hits: Mapping[str, int]) -> dict[str, Any]:
    """Entries of a type, dropped ones included, that no anchor named."""
    hit = sum(name in gazetteer.types_of(entry) for entry in hits)
    unseen = (entry for entry, _ in gazetteer.names() if entry not in hits and name in gazetteer.types_of(entry))
    return {"count": gazetteer.counts[name].entries - hit, "examples": list(islice(unseen, _TOP))}


def _of_type(hits: Mapping[str, int], types: Mapping[str, tuple[str, ...]], name: str) -> dict[str, int]:
    return {entry: count for entry, count in hits.items() if name in types[entry]}


def _top(hits: Iterable[tuple[str, int]]) -> list[dict[str, Any]]:
    best = nsmallest(_TOP, hits, key=lambda hit: (-hit[1], hit[0]))
    return [{"entry": entry, "count": count} for entry, count in best]


def _has_han(entry: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in entry)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
