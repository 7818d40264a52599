"""The whole job, from dump to recogniser.

    ray job submit -- python pipelines/pretrain.py --config pipelines/configs/twitter.yaml
    python pipelines/pretrain.py --config pipelines/configs/twitter.yaml --set engine.workers=0     # this machine

Four to eight workers, as many as the cluster has at the time, are ``--set engine.name=deepspeed``,
``--set engine.workers=8``, ``--set engine.min_workers=4``; ``runs`` must then lie where every machine sees it.

The same as ``cofee pretrain``: finished stages are skipped, a killed one goes on from its last checkpoint.
"""

from __future__ import annotations

from cofee_dist.cli import main

if __name__ == "__main__":
    main(["pretrain"])
