"""Made-up reports for the tests: a usual one, and those at the edges. Every number in them is invented."""

from __future__ import annotations

import math
import random
from typing import Any

from cofee_dist.report.schema import Report

QUESTIONS = {
    "PER": "person entities are named persons or family.",
    "LOC": "location entities are the name of politically or geographically defined locations such as cities, "
    "provinces, countries, international regions, bodies of water, mountains, etc.",
    "ORG": "organization entities are limited to named corporate, governmental, or other organizational entities.",
}
CONFIG = "name: sample\nseed: 0\ntask:\n  language: en\n" + "".join(
    f"    {name}:\n      question: {question}\n" for name, question in QUESTIONS.items()
)
THEMES = [
    ("LOC", ["France", "Germany", "Japan", "Montenegro"], "The treaty was signed in {} in the spring of 1921."),
    ("PER", ["Ada Lovelace", "Alan Turing", "Grace Hopper"], "{} wrote the first of the letters to the academy."),
    ("ORG", ["United Nations", "Red Cross", "FIFA"], "A report by the {} says otherwise."),
    ("LOC", ["Danube", "Lake Ladoga", "Mississippi River"], "Boats on the {} carried grain and timber."),
    ("PER", ["Aristotle", "Plato", "Thales of Miletus"], "What {} wrote on the soul has come down in fragments."),
    ("ORG", ["Intel", "Sun Microsystems", "Nokia"], "In March {} announced a processor of its own."),
    ("LOC", ["Paris", "Kyoto", "Buenos Aires"], "The museum in {} opened again after the war."),
    ("PER", ["Mozart", "Clara Schumann"], "Two concertos by {} were on the programme."),
]


def sentence(text: str, *marked: tuple[str, str, float | None]) -> dict[str, Any]:
    """A sentence with its entities found by their surface."""
    entities = []
    for surface, name, score in marked:
        start = text.index(surface)
        entities.append({"start": start, "end": start + len(surface), "type": name, "score": score})
    return {"text": text, "entities": entities}


def system(name: str, precision: float, recall: float, f1: float, seconds: float | None = None) -> dict[str, Any]:
    per_type = {
        kind: {"p": precision + d, "r": recall + d, "f1": f1 + d, "gold": gold, "predicted": int(gold * recall / 60)}
        for kind, d, gold in (("PER", 4.2, 1816), ("LOC", -1.3, 1697), ("ORG", -6.0, 839))
    }
    scores = {"precision": precision, "recall": recall, "f1": f1}
    return {"name": name, **scores, "per_type": per_type, "seconds": seconds}


def clusters(k: int = 8, seed: int = 0) -> dict[str, Any]:
    draw = random.Random(seed)
    made = []
    for index in range(k):
        kind, names, template = THEMES[index % len(THEMES)]
        size = int(900 / (1 + index * 0.6)) + draw.randrange(12)
        others = [name for name in QUESTIONS if name != kind]
        stray = size // 9
        examples = [sentence(template.format(name), (name, kind, None)) for name in names[:2]]
        made.append(
            {
                "id": index,
                "size": size,
                "types": {kind: size - stray, others[0]: stray - stray // 3, others[1]: stray // 3},
                "frequent": [{"surface": name, "count": size // (place + 3)} for place, name in enumerate(names)],
                "examples": examples,
                "mean_distance": 0.21 + index / 50,
                "max_distance": 0.9 + index / 20,
                "fine_types": {"city": size - stray, "river": stray} if index % 2 else {},
            }
        )
    return {"k": k, "clusters": made, "reseeded": 1, "purity": 81.4, "nmi": 0.634}


def stages() -> list[dict[str, Any]]:
    draw = random.Random(1)

    def losses(steps: int, high: float, low: float) -> list[float]:
        return [low + (high - low) * math.exp(-4 * i / steps) * draw.uniform(0.7, 1.3) for i in range(steps)]

    def rates(steps: int, peak: float) -> list[float]:
        warm = steps // 10
        return [peak * (i / warm if i < warm else (steps - i) / (steps - warm)) for i in range(steps)]

    made = []
    for name, steps, high, low, peak, scores in (
        ("ESI", 420, 1.3, 0.12, 6e-6, []),
        ("NEE", 900, 0.5, 0.04, 3e-5, [41.2, 47.9, 52.4, 53.3, 51.8]),
        ("FET", 300, 0.09, 0.03, 2e-5, [53.9, 54.6, 54.4]),
    ):
        made.append(
            {
                "name": name,
                "steps": list(range(1, steps + 1)),
                "loss": losses(steps, high, low),
                "learning_rate": rates(steps, peak),
                "epochs": list(range(1, len(scores) + 1)),
                "validation_f1": scores,
            }
        )
    return made


def picking(truth: bool = True) -> dict[str, Any]:
    rows = []
    for k, (p, r, f1, labels, added, dropped, found, right) in enumerate(
        [
            (61.0, 31.1, 41.2, (5210, 7900, 2044), 0, 0, None, None),
            (60.2, 39.7, 47.9, (6020, 8650, 2410), 2230, 304, 812, 86.4),
            (58.1, 47.7, 52.4, (6800, 9100, 2702), 1822, 300, 1310, 83.0),
            (56.0, 50.8, 53.3, (7105, 9204, 2810), 705, 188, 1544, 80.7),
            (52.2, 51.4, 51.8, (7300, 9177, 2990), 640, 292, 1570, 74.1),
        ]
    ):
        total = sum(labels)
        row = {"iteration": k, "epoch": k + 1, "precision": p, "recall": r, "f1": f1}
        row["labels"] = dict(zip(QUESTIONS, labels, strict=True))
        row |= {"added": added, "dropped": dropped, "kept": total - added}
        if truth:
            row |= {"recovered_missing": found if found is not None else 0, "recovery_precision": right}
        rows.append(row)
    return {"iterations": rows, "best": 3, "missing": 2100 if truth else None}


def sample_dict() -> dict[str, Any]:
    """A usual run, everything in it, as the plain dict that a pipeline builds."""
    frequent = [{"surface": surface, "count": 412 - 40 * i} for i, surface in enumerate(["London", "France", "Rome"])]
    run = {
        "name": "sample-en",
        "started": "2026-11-02 14:05",
        "seconds": {"corpus": 48.2, "labels": 9.1, "esi": 610.4, "nee": 1330.0, "fet": 402.9, "evaluation": 61.3},
        "config": CONFIG,
        "language": "en",
        "questions": QUESTIONS,
        "versions": {"python": "3.11.9", "torch": "2.13.0", "transformers": "5.23.0", "pyspark": "4.3.0"},
        "encoder": "bert-base-uncased",
        "seed": 0,
        "inputs": {"dumps/enwiki.xml.bz2": "9f86d081884c7d65", "gazetteers/PER.txt": "60303ae22b998861"},
        "corpus": {
            "pages": 206,
            "articles": 106,
            "redirects": 99,
            "other_namespaces": 1,
            "quarantined": 0,
            "candidates": 34118,
            "sentences": 11140,
            "links": 22644,
            "anchors": 15336,
            "dropped": {"too_few_anchors": 22873, "too_long": 91, "duplicate": 14},
            "links_dropped": {"too_few_anchors": 6800, "too_long": 480, "duplicate": 28},
        },
        "labels": {"PER": 5210, "LOC": 7900, "ORG": 2044},
        "matches": {
            "types": {
                name: {"entries": entries, "entries_hit": entries // 9, "hits": entries // 4, "frequent": frequent}
                for name, entries in (("PER", 5911), ("LOC", 35267), ("ORG", 2843))
            },
            "ambiguous": [{"surface": "Montgomery", "types": ["PER", "LOC"], "hits": 31}],
        },
    }
    paper = [("Matching", 28.29, 24.58, 26.3), ("MRC-NER", 52.07, 45.59, 48.62), ("CoFEE-MRC", 56.44, 52.81, 54.56)]
    paper += [("– FET", 54.92, 51.35, 53.07), ("– FET – ESI", 56.06, 47.28, 51.3)]
    unseen = [
        sentence(
            "Grace Hopper taught at Vassar College.", ("Grace Hopper", "PER", 0.98), ("Vassar College", "ORG", 0.7)
        ),
        sentence("Nothing to find here."),
        sentence(
            "The University of Paris moved its archive from Lyon to Buenos Aires <in 1943>.",
            ("University of Paris", "ORG", 0.81),
            ("Paris", "LOC", 0.52),
            ("Lyon", "LOC", 0.93),
            ("Buenos Aires", "LOC", 0.9),
        ),
    ]
    return {
        "run": run,
        "scored_on": "Twitter test (3,257 sentences)",
        "systems": [
            system("Matching", 29.7, 30.5, 30.1, 2.4),
            system("MRC-NER", 66.4, 23.0, 34.2, 840.0),
            system("CoFEE-MRC", 58.2, 51.4, 54.6, 2343.3),
            system("– FET", 57.0, 50.1, 53.3, 1940.4),
            system("– FET – ESI", 55.4, 45.2, 49.8, 1330.0),
        ],
        "paper": {
            "note": "Published figures are on 3.9 million sentences of a whole Wikipedia; this run read 106 articles.",
            "systems": [{"name": n, "precision": p, "recall": r, "f1": f} for n, p, r, f in paper],
        },
        "picking": picking(),
        "stages": stages(),
        "clusters": clusters(),
        "predictions": unseen,
        "files": {"model": "runs/sample-en/model", "page": "runs/sample-en/report.html"},
        "next": ['cofee predict runs/sample-en/model --text "Grace Hopper taught at Vassar College."'],
    }


def sample_report() -> Report:
    """A usual run with everything."""
    return Report.model_validate(sample_dict())


def bare_report() -> Report:
    """A run without a test set, without truth, without ablations, with one iteration and NaN in its losses."""
    made = sample_dict()
    for name in ("scored_on", "paper", "predictions", "files", "next"):
        del made[name]
    made["systems"] = []
    made["picking"] = picking(truth=False)
    made["picking"]["iterations"] = made["picking"]["iterations"][:1]
    made["picking"]["best"] = 0
    made["run"]["corpus"] = made["run"]["matches"] = None
    made["clusters"] = clusters(1) | {"purity": None, "nmi": None, "reseeded": 0}
    made["stages"] = [
        {"name": "NEE", "steps": [1, 2, 3], "loss": [0.7, math.nan, 0.5], "epochs": [1], "validation_f1": [math.nan]},
        {"name": "FET", "steps": [1], "loss": [math.inf]},
    ]
    return Report.model_validate(made)


def wide_report() -> Report:
    """A hundred clusters, very long names, nine types, a main system that is not the best."""
    made = sample_dict()
    long = "Bundesverfassungsgerichtspräsidentschaftskandidaturangelegenheiten"
    kinds = [f"TYPE_{index}" for index in range(8)] + [f"AN_EXTRAORDINARILY_LONG_TYPE_NAME_{long}"]
    made["run"]["name"] = f"run-{long}-{long}"
    made["run"]["encoder"] = f"/models/{long}/{long}"
    made["run"]["questions"] = {name: f"Find {name} " * 8 for name in kinds}
    made["systems"].append(system(f"A tagger with a name that goes on and on {long}", 60.0, 59.0, 95.1))
    made["clusters"] = clusters(100)
    first = made["clusters"]["clusters"][0]
    first["types"] = {name: 80 + 10 * index for index, name in enumerate(kinds)}
    first["size"] = sum(first["types"].values())
    first["frequent"] = [{"surface": long * 2, "count": 500}]
    first["examples"] = [sentence(f"{long} {long * 3}", (long * 3, kinds[-1], 1.0))]
    made["clusters"]["clusters"][99] |= {"size": 0, "types": {}, "frequent": [], "examples": [], "mean_distance": None}
    made["picking"]["iterations"] = [
        made["picking"]["iterations"][index % 5] | {"iteration": index, "labels": {k: 9000 + index for k in kinds}}
        for index in range(30)
    ]
    return Report.model_validate(made)


def chinese_report() -> Report:
    """A run on Chinese."""
    made = sample_dict()
    kinds = {"HP": "找出文中的商标，包括公司，品牌", "HC": "找出文中的产品，包括商品，作品，食品，用品，设施，副产品"}
    made["run"] |= {"name": "zh-ecommerce", "language": "zh", "questions": kinds, "labels": {"HP": 310, "HC": 1204}}
    made["run"]["matches"] = None
    made["scored_on"] = "E-commerce test"
    for row in made["systems"]:
        row["per_type"] = dict(zip(kinds, list(row["per_type"].values())[:2], strict=True))
    for row in made["picking"]["iterations"]:
        row["labels"] = {"HP": 300 + 20 * row["iteration"], "HC": 1200 + 31 * row["iteration"]}
    names = ["羊绒大衣女款", "苹果手机保护壳", "不锈钢保温杯", "全自动洗衣机滚筒式", "华为"]
    made["clusters"]["clusters"] = [
        {
            "id": index,
            "size": 200 - index * 30,
            "types": {"HC": 150 - index * 30, "HP": 50},
            "frequent": [{"surface": name, "count": 30}, {"surface": "小米", "count": 12}],
            "examples": [sentence(f"新款{name}包邮", (name, "HC", None))],
        }
        for index, name in enumerate(names)
    ]
    made["clusters"]["k"] = len(names)
    made["predictions"] = [sentence("华为手机壳磨砂硅胶", ("华为", "HP", 0.97), ("手机壳", "HC", 0.91))]
    return Report.model_validate(made)


def text_report() -> Report:
    """A run on texts without a dump: no corpus, no ESI."""
    made = sample_dict()
    made["run"]["corpus"] = None
    made["run"]["texts"] = {"files": 2, "lines": 5120, "sentences": 9061, "drops": {"too_short": 311, "duplicate": 42}}
    made["run"]["seconds"].pop("esi")
    made["stages"] = [stage for stage in made["stages"] if stage["name"] != "esi"]
    names = {"CoFEE-MRC": "CoFEE-MRC – ESI", "– FET": "– FET – ESI"}
    made["systems"] = [row for row in made["systems"] if row["name"] not in names.values()]
    for row in made["systems"]:
        row["name"] = names.get(row["name"], row["name"])
    return Report.model_validate(made | {"main": "CoFEE-MRC – ESI"})


ALL = {
    "sample": sample_report,
    "bare": bare_report,
    "wide": wide_report,
    "chinese": chinese_report,
    "text": text_report,
}
