"""How well the gazetteers met the anchors or the text: what hit, how often, and which entries are ambiguous."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice
from typing import Any

import pyarrow.compute as pc

from cofee_dist.config import Labels
from cofee_dist.errors import UserError
from cofee_dist.labels.gazetteer import Gazetteer
from cofee_dist.labels.never_hit import never_hit

_TOP = 20
_HAN = "[\u4e00-\u9fff]"


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
    named = _Named(hits, gazetteer.look_up(hits))
    typed, by_type = _labelling(gazetteer, named)
    types = {
        name: {
            **_type_report(gazetteer, name, found, named),
            "anchors_typed": sum(found.values()),
            "coverage": _share(sum(found.values()), anchors),
        }
        for name, found in by_type.items()
    }
    return {
        "anchors": anchors,
        "anchors_typed": typed,
        "coverage": _share(typed, anchors),
        "types": types,
        "warnings": _warnings(gazetteer, by_type, "no anchor matches"),
    }


def text_match_report(
    gazetteer: Gazetteer, hits: Mapping[str, int], sentences: int, labelled: int, labelled_by_type: Mapping[str, int]
) -> dict[str, Any]:
    """Sum up what a gazetteer names in text, as ``match_report`` does for anchors.

    Args:
        gazetteer: what was matched.
        hits: for each entry that the text names, how often it does; dropped entries included.
        sentences: how many sentences there were.
        labelled: how many of them got a label.
        labelled_by_type: and how many one of the type.

    Returns:
        sentences, sentences_labelled, mentions (hits of entries that give labels), coverage (the share of sentences
        with a label), types and warnings, as in ``match_report`` with mentions in place of anchors_typed.
    """
    named = _Named(hits, gazetteer.look_up(hits))
    mentions, by_type = _labelling(gazetteer, named)
    types = {
        name: {
            **_type_report(gazetteer, name, found, named),
            "mentions": sum(found.values()),
            "coverage": _share(labelled_by_type.get(name, 0), sentences),
        }
        for name, found in by_type.items()
    }
    return {
        "sentences": sentences,
        "sentences_labelled": labelled,
        "mentions": mentions,
        "coverage": _share(labelled, sentences),
        "types": types,
        "warnings": _warnings(gazetteer, by_type, "no sentence names"),
    }


def require_matches(report: Mapping[str, Any], gazetteer: Gazetteer, labels: Labels) -> None:
    """Raise UserError if no type matched anything; a single type without matches is only a warning."""
    if report["anchors_typed"]:
        return
    if not report["anchors"]:
        raise UserError(
            "there are no anchors to match the gazetteers with: no sentence has any",
            fix="give a wiki dump with links, or lower corpus.min_anchors",
        )
    advice = _advice(gazetteer, labels, "the dump")
    if labels.match_on != "both":
        advice.append("set labels.match_on=both to compare with the titles of linked pages as well")
    raise UserError(
        f"none of {report['anchors']:,} anchors matches a gazetteer entry of any type",
        where=_files(gazetteer),
        fix=", ".join(advice),
    )


def require_mentions(report: Mapping[str, Any], gazetteer: Gazetteer, labels: Labels) -> None:
    """Raise UserError if no sentence got a label; a single type without any is only a warning."""
    if not report["sentences_labelled"]:
        raise UserError(
            f"none of {report['sentences']:,} sentences names a gazetteer entry of any type",
            where=_files(gazetteer),
            fix=", ".join(_advice(gazetteer, labels, "the texts")),
        )


def _advice(gazetteer: Gazetteer, labels: Labels, matched: str) -> list[str]:
    """What may mend it when nothing matches."""
    advice = [f"check that the gazetteers are in the language of {matched}"]
    if not labels.ignore_case:
        advice.append("set labels.ignore_case=true if their case differs")
    if labels.chinese == "none" and pc.any(pc.match_substring_regex(gazetteer.names, _HAN)).as_py():
        advice.append("set labels.chinese=simplified if one is in simplified and the other in traditional Chinese")
    if labels.ambiguity == "drop":
        advice.append("set labels.ambiguity=keep_all if the types share their entries")
    return advice


def _files(gazetteer: Gazetteer) -> str:
    return "; ".join(f"{name}: {', '.join(files)}" for name, files in gazetteer.files.items())


@dataclass(frozen=True)
class _Named:
    """The entries that were hit: how often, and their kinds."""

    counts: Mapping[str, int]
    kinds: Mapping[str, int]

    def of_kinds(self, kinds: Iterable[int]) -> dict[str, int]:
        wanted = set(kinds)
        return {entry: count for entry, count in self.counts.items() if self.kinds[entry] in wanted}


def _labelling(gazetteer: Gazetteer, named: _Named) -> tuple[int, dict[str, dict[str, int]]]:
    """How many hits give labels, and for each type the entries that give its labels, with their hits."""
    labels = gazetteer.labels_of_kind
    typed = sum(named.of_kinds(kind for kind, types in enumerate(labels) if types).values())
    by_type = {
        name: named.of_kinds(kind for kind, types in enumerate(labels) if name in types) for name in gazetteer.counts
    }
    return typed, by_type


def _warnings(gazetteer: Gazetteer, by_type: Mapping[str, Mapping[str, int]], none_hit: str) -> list[str]:
    return [
        f"{none_hit} an entry of type {name} ({', '.join(gazetteer.files.get(name, ()))}): it gets no weak label"
        for name, found in by_type.items()
        if not found
    ]


def _type_report(gazetteer: Gazetteer, name: str, labelling: Mapping[str, int], named: _Named) -> dict[str, Any]:
    """What is the same for anchors and text; ``labelling`` are those of the hits that give the type's labels."""
    counts, types = gazetteer.counts[name], gazetteer.types_of_kind
    of_type = gazetteer.kinds_with(name).tolist()
    shared = named.of_kinds(kind for kind in of_type if len(types[kind]) > 1)
    unseen = never_hit(gazetteer, name, named.counts)
    return {
        "entries": counts.entries,
        "duplicates": counts.duplicates,
        "ambiguous": counts.ambiguous,
        "entries_hit": len(labelling),
        "top_hits": _top(labelling.items()),
        "top_ambiguous": [{**hit, "types": list(types[named.kinds[hit["entry"]]])} for hit in _top(shared.items())],
        "never_hit": {
            "count": counts.entries - len(named.of_kinds(of_type)),
            "examples": list(islice(unseen, _TOP)),
        },
    }


def _top(hits: Iterable[tuple[str, int]]) -> list[dict[str, Any]]:
    best = nsmallest(_TOP, hits, key=lambda hit: (-hit[1], hit[0]))
    return [{"entry": entry, "count": count} for entry, count in best]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
