"""Precision, recall and F1 of a saved model on labelled sentences.

    python pipelines/evaluate.py test.txt --model runs/twitter/model --skip IMGID: --ignore-type OTHER

The same as ``cofee evaluate``.
"""

from __future__ import annotations

from cofee_dist.cli import main

if __name__ == "__main__":
    main(["evaluate"])
