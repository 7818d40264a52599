"""What the paper printed (Tables 2 and 3: precision, recall, F1 in percent), to stand beside what a run gives."""

from __future__ import annotations

NOTE = (
    "Published figures (EMNLP 2020) come from BERT and {corpus}; they stand here for orientation, "
    "not as a comparison on equal terms."
)

CORPORA = {
    "ontonotes4": "1,116,514 sentences of the Chinese Wikipedia",
    "ecommerce": "1,116,514 sentences of the Chinese Wikipedia",
    "twitter": "3,911,059 sentences of the English Wikipedia",
}

#: Table 3, weak supervision only.
WEAK: dict[str, dict[str, tuple[float, float, float]]] = {
    "ontonotes4": {
        "Matching": (28.29, 40.95, 33.46),
        "MRC-NER": (44.85, 33.06, 38.06),
        "CoFEE-MRC": (48.01, 41.22, 44.36),
        "– FET": (48.0, 39.32, 43.23),
        "– FET – ESI": (48.19, 30.64, 40.3),
    },
    "ecommerce": {
        "Matching": (38.94, 38.34, 39.14),
        "MRC-NER": (54.84, 22.78, 32.19),
        "CoFEE-MRC": (50.27, 53.22, 51.7),
        "– FET": (52.42, 42.88, 47.17),
        "– FET – ESI": (55.03, 38.03, 44.98),
    },
    "twitter": {
        "Matching": (28.29, 24.58, 26.30),
        "MRC-NER": (52.07, 45.59, 48.62),
        "CoFEE-MRC": (56.44, 52.81, 54.56),
        "– FET": (54.92, 51.35, 53.07),
        "– FET – ESI": (56.06, 47.28, 51.3),
    },
}
