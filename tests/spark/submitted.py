"""What the tests of ``spark-submit`` run on: dumps with all that a corpus has to cope with, and what a run made."""

from __future__ import annotations

import bz2
import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from cofee_dist.world.generate import generate

WORLDS = 4
PAGES_IN_STREAM = 3
BROKEN = b"  <page>\n    <title>Broken</title>\n    <ns>0</ns>\n    <id></id>\n  </page>\n"


def make_world(folder: Path) -> None:
    """Two dumps that share pages, with a broken page and a damaged stream, and ``run.yaml`` for them."""
    made = [generate(folder / f"world-{seed}", seed, "tiny") for seed in range(WORLDS)]
    pages = [page for number, paths in enumerate(made) for page in _moved(paths.dump, 100_000 * number)]
    head, tail = bz2.decompress(made[0].dump.read_bytes()).split(b"  <page>")[0], b"</mediawiki>\n"
    half = len(pages) // 2
    dumps = [folder / "first.xml.bz2", folder / "second.xml.bz2"]
    for dump, part in zip(dumps, (pages[: half + 20], [*pages[half - 20 :], BROKEN]), strict=True):
        texts = [b"".join(part[at : at + PAGES_IN_STREAM]) for at in range(0, len(part), PAGES_IN_STREAM)]
        streams = [bytearray(bz2.compress(text)) for text in (head, *texts, tail)]
        streams[9][60] ^= 1
        dump.write_bytes(b"".join(streams))
    types = {
        name: {"question": f"find {name}", "gazetteers": [str(paths.gazetteers[name]) for paths in made]}
        for name in made[0].gazetteers
    }
    config = {
        "name": "submitted",
        "task": {"types": types},
        "corpus": {"dumps": list(map(str, dumps)), "min_anchors": 1},
        "encoder": {"scratch": {}},
        "tracking": {"uri": None},
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(config))


def _moved(dump: Path, by: int) -> list[bytes]:
    """The pages of a dump, with other ids."""
    _, *pages = bz2.decompress(dump.read_bytes()).replace(b"</mediawiki>\n", b"").split(b"  <page>")
    identity = re.compile(rb"(</ns>\s+<id>)(\d+)")
    return [b"  <page>" + identity.sub(lambda at: at[1] + str(int(at[2]) + by).encode(), page, 1) for page in pages]


def arguments(world: Path, runs: Path, **settings: Any) -> list[str]:
    """Of ``build_corpus.py``, for a world made here."""
    values = {"runs": runs, **{key.replace("__", "."): value for key, value in settings.items()}}
    sets = [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
    return ["--config", str(world / "run.yaml"), *sets]


def output(runs: Path) -> dict[str, Any]:
    """All that a run made of its dumps."""
    run = runs / "submitted"
    tables = ("corpus/sentences", "corpus/quarantine", "labels/iteration=0")
    made: dict[str, Any] = {name: pq.read_table(run / name).to_pylist() for name in tables}
    for stage in ("corpus", "labels"):
        made[stage] = json.loads((run / stage / "manifest.json").read_text())["counts"]
    made["matches"] = json.loads((run / "labels" / "matches.json").read_text())
    made["held out"] = (run / "labels" / "held_out.jsonl").read_text()
    return made
