"""Dump to D_g and D_s, on the Spark that ``spark-submit`` gives.

    spark-submit pipelines/build_corpus.py --config pipelines/configs/twitter.yaml
    python pipelines/build_corpus.py --config pipelines/configs/twitter.yaml      # local Spark on this machine

Fills the run's ``corpus`` and ``labels`` folders; ``pretrain.py`` with the same config goes on from there.
"""

from __future__ import annotations

from cofee_dist.cli import main

if __name__ == "__main__":
    main(["build-corpus"])
