"""``cofee clusters`` on a tiny run: the same clusters as the FET stage, embeddings kept, clear messages."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from cofee_dist.artifacts import MANIFEST, StageFolder, write_text
from cofee_dist.config.file import dump_yaml
from cofee_dist.labels.ledger import read_iteration, to_sentences, write_iteration
from cofee_dist.mining.assignments import read_entities
from cofee_dist.pipeline.clusters import EMBEDDINGS, compare_clusters
from cofee_dist.schemas import LabelledSentence
from cofee_dist.train.stage_fet import clusters_path
from cofee_dist.train.worker import run_stage
from tests.training import STAGES, make_job
from tests.unit.test_cli import assert_told, cofee

K = 4


def make_run(folder: Path, **fet: object) -> Path:
    """A run's folder with its config, NEE model and best labels (iteration 1), and the FET stage trained from them."""
    job = make_job(folder, "fet")
    run = job.config.run_folder
    nee = StageFolder(run / "nee", "nee", {}, {})
    nee.begin()
    shutil.copytree(job.init_model, nee.path / "model")
    for iteration in (0, 1):
        write_iteration(nee.path / "labels", iteration, read_iteration(job.data, 0).slice(20 * (1 - iteration)))
    nee.finish({"best_iteration": 1})
    _write_truth(folder / "truth.jsonl", to_sentences(read_iteration(job.data, 0)))
    stage = STAGES["fet"].model_copy(update=fet)
    config = job.config.model_copy(
        update={
            "stages": job.config.stages.model_copy(update={"fet": stage}),
            "evaluation": job.config.evaluation.model_copy(update={"truth": str(folder / "truth.jsonl")}),
        }
    )
    write_text(run / "config.yaml", dump_yaml(config))
    run_stage(
        replace(job, config=config, settings=stage, folder=run / "fet", init_model=nee.path / "model",
                data=nee.path / "labels", iteration=1)
    )  # fmt: skip
    return run


def _write_truth(path: Path, sentences: list[LabelledSentence]) -> None:
    """All that any label says of a text; the fine type is the coarse one with the name's first letter."""
    found: dict[str, set[tuple[int, int, str]]] = {}
    for sentence in sentences:
        found.setdefault(sentence.text, set()).update((e.start, e.end, e.type) for e in sentence.entities)
    lines = []
    for text, spans in found.items():
        entities = [{"start": s, "end": e, "type": kind, "fine": f"{kind}/{text[s]}"} for s, e, kind in sorted(spans)]
        lines.append(json.dumps({"text": text, "entities": entities}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def told(run: Path) -> dict:
    done = cofee("clusters", str(run), "--json", "--sample", "40")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_clusters_of_the_configs_k_are_those_of_the_first_epoch(run: Path, told: dict) -> None:
    entities = read_entities(clusters_path(run / "fet", 0).with_suffix(".parquet"))
    by_stage = json.loads(clusters_path(run / "fet", 0).with_suffix(".json").read_text(encoding="utf-8"))
    with np.load(clusters_path(run / "fet", 0)) as saved:
        weights = saved["weights_k"]
    row = next(row for row in told["rows"] if row["k"] == K)
    distances = entities["distance"].to_numpy().astype(np.float64)
    assert told["shown"] == told["configured"] == K
    assert told["entities"] == entities.num_rows
    assert row["objective"] == pytest.approx(distances.sum(), rel=1e-6)
    assert (row["smallest"], row["largest"]) == (min(by_stage["sizes"]), max(by_stage["sizes"]))
    by_id = sorted(told["clusters"], key=lambda cluster: cluster["id"])
    assert [cluster["size"] for cluster in by_id] == by_stage["sizes"]
    assert [cluster["weight"] for cluster in by_id] == pytest.approx(weights.tolist())
    for cluster in by_id:
        members = entities.filter(np.equal(entities["cluster"].to_numpy(), cluster["id"]))
        nearest = members.sort_by("distance").to_pylist()[0]
        shown = cluster["near"][0]
        span = shown["sentence"]["entities"][0]
        assert shown["sentence"]["text"][span["start"] : span["end"]] == nearest["surface"]
        assert shown["distance"] == pytest.approx(nearest["distance"])
        assert span["type"] == nearest["type"]


def test_numbers_around_the_configs_with_known_fine_types(run: Path, told: dict) -> None:
    assert [row["k"] for row in told["rows"]] == [2, 4, 6, 8]
    assert (told["iteration"], told["sample"]) == (1, 40)
    entities = read_entities(clusters_path(run / "fet", 0).with_suffix(".parquet")).to_pylist()
    fine = [f"{row['type']}/{row['surface'][0]}" for row in entities]
    found = normalized_mutual_info_score(fine, [row["cluster"] for row in entities])
    assert next(row for row in told["rows"] if row["k"] == K)["nmi"] == pytest.approx(found)
    falls = [row["fall"] for row in told["rows"]]
    assert falls[0] is None
    assert all(0 < fall < 100 for fall in falls[1:])


def test_table_and_page(run: Path, told: dict) -> None:
    done = cofee("clusters", str(run), "-k", "3", "-k", "5", "--show", "3", "--near", "2", "--seed", "1")
    assert done.returncode == 0, done.stderr
    page = (run / "clusters" / "clusters.html").read_text(encoding="utf-8")
    evidence = json.loads((run / "clusters" / "evidence.json").read_text(encoding="utf-8"))
    assert [row["k"] for row in evidence["rows"]] == [3, 5]
    assert page.count('<article class="card"') == 3
    assert max(len(cluster["near"]) for cluster in evidence["clusters"]) == 2
    for part in ("silhouette", "stability", "purity", "clusters.html"):
        assert part in done.stdout
    shown = cofee("inspect", str(run)).stdout.replace("\n", "")
    assert "clusters/clusters.html" in shown


def test_embeddings_are_kept_until_model_or_labels_change(tmp_path: Path, run: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    path = copy / "clusters" / EMBEDDINGS
    shutil.rmtree(copy / "clusters", ignore_errors=True)

    def embedded_anew(change: Callable[[], object] = lambda: None) -> bool:
        change()
        before = path.stat().st_mtime_ns if path.exists() else None
        compare_clusters(copy, [2], 2, 20, 1, 0)
        return path.stat().st_mtime_ns != before

    assert embedded_anew()
    assert not embedded_anew()
    labels = copy / "nee" / "labels"
    assert embedded_anew(lambda: write_iteration(labels, 1, read_iteration(labels, 0)))
    assert not embedded_anew(lambda: os.utime(copy / "nee" / "model" / "model.safetensors"))
    model = copy / "nee" / "model"
    assert embedded_anew(lambda: _saved_another(model))
    # A kill between the two files must not leave embeddings that pass for those of this model.
    assert embedded_anew(lambda: (copy / "clusters" / "embeddings.json").unlink())
    assert sorted(file.name for file in (copy / "clusters").iterdir()) == ["embeddings.json", "embeddings.npy"]


def _saved_another(folder: Path) -> None:
    from tests.encoders import tiny_model

    tiny_model(seed=1).save_pretrained(folder)


def test_pca_of_the_config_is_taken(tmp_path: Path) -> None:
    run = make_run(tmp_path, pca_dimensions=5, max_sentences=30)
    found = compare_clusters(run, [K], None, 100, 3, None)
    entities = read_entities(clusters_path(run / "fet", 0).with_suffix(".parquet"))
    assert found.pca_dimensions == 5
    assert found.entities == entities.num_rows
    distances = entities["distance"].to_numpy().astype(np.float64)
    assert found.rows[0].objective == pytest.approx(distances.sum(), rel=1e-6)


def test_mistakes(run: Path, told: dict, tmp_path: Path) -> None:
    total = told["entities"]
    assert_told(cofee("clusters", "nowhere"), "no run here", "nowhere", "runs/NAME")
    assert_told(cofee("clusters", str(run), "-k", "1"), "1 is no number of clusters", "--k 2 or more")
    assert_told(cofee("clusters", str(run), "--show", "0"), "0 is no number of clusters")
    assert_told(
        cofee("clusters", str(run), "--k", "999"), f"{total} entities cannot make 999 clusters", f"at most {total}"
    )
    untrained = tmp_path / "run"
    shutil.copytree(run, untrained)
    (untrained / "nee" / MANIFEST).unlink()
    assert_told(cofee("clusters", str(untrained)), "NEE stage is not finished", "cofee pretrain --config")


def test_truth_that_has_gone_is_said(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    config = (copy / "config.yaml").read_text(encoding="utf-8")
    write_text(copy / "config.yaml", config.replace("truth.jsonl", "gone.jsonl"))
    found = compare_clusters(copy, [2], 2, 20, 1, 0)
    assert found.rows[0].purity is None
    assert "gone.jsonl" in found.notes[0]
