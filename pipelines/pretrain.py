r"""The whole job, from dump to recogniser.

    ray job submit --address http://HEAD:8265 -- python /mnt/shared/cofee/pipelines/pretrain.py \
        --config /mnt/shared/twitter.yaml --set runs=/mnt/shared/runs --set engine.name=deepspeed --set engine.workers=8
    python pipelines/pretrain.py --config pipelines/configs/twitter.yaml     # this machine, without a cluster

``runs`` must lie where every machine sees it. Between four and eight workers, as many as the cluster has at the time,
are ``--set engine.workers=8 --set engine.min_workers=4``. What the machines need: docs/operations.md.

The same as ``cofee pretrain``: finished stages are skipped, a killed one goes on from its last checkpoint.
"""

from __future__ import annotations

from cofee_dist.cli import main

if __name__ == "__main__":
    main(["pretrain"])
