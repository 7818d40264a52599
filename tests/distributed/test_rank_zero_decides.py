"""Ranks that see a file system differently, as over a network, still enter the same collectives."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from cofee_dist.config import Engine, Fet, Nee
from cofee_dist.labels.blocks import IterationBlocks
from cofee_dist.labels.ledger import iteration_folder, read_blocks, write_iteration
from cofee_dist.train.engine import TorchEngine
from cofee_dist.train.examples import Examples
from cofee_dist.train.stage_fet import FetPolicy
from cofee_dist.train.stage_nee import LEDGER, NeePolicy
from cofee_dist.train.validate import Extraction
from tests.distributed.two_processes import run_on
from tests.encoders import tiny_model
from tests.training import made_up

TYPES = {"PER": "Find persons", "LOC": "Find places"}
UNUSED: Any = None


def policies(rank: int, folder: Path) -> tuple[NeePolicy, FetPolicy]:
    model = tiny_model(dropout=0.0)
    model.set_clusters(3, seed=0)
    engine = TorchEngine(model, Engine(device="cpu"), Nee())
    engine.rank, engine.world_size = rank, 2
    sentences = partial(read_blocks, folder / LEDGER, 0)
    examples = Examples(folder / "examples", rank, model.tokenizer, TYPES, 64, sentences)
    extraction = Extraction(engine, model.tokenizer, TYPES, 200)
    nee = NeePolicy("nee", engine, model, Nee(), examples, extraction, UNUSED, folder)
    fet = FetPolicy("fet", engine, model, Fet(clusters=3), examples, UNUSED, folder, 200, 0)
    fet.restore({"best_f1": 0.0})
    return nee, fet


def twice(rank: int, folder: Path) -> None:
    """Re-label and cluster, and ask for both again where rank 1 does not see what is there."""
    torch.distributed.init_process_group("gloo")
    nee, fet = policies(rank, folder)
    nee._pick()
    first = fet.dataset(0)
    if rank == 1:
        exists, begun = Path.exists, IterationBlocks.__init__

        def blind(path: Path, **given: Any) -> bool:
            return exists(path, **given) and path.suffix != ".npz"

        def late(blocks: IterationBlocks, *given: Any) -> None:
            begun(blocks, *given)
            blocks.is_complete = False

        Path.exists = blind  # type: ignore[assignment, method-assign]
        IterationBlocks.__init__ = late  # type: ignore[assignment, method-assign]
    nee.restore({})
    nee._pick()
    assert (fet.dataset(0).cluster == first.cluster).all()


@pytest.mark.timeout(900)
def test_rank_zeros_view_counts(tmp_path: Path) -> None:
    write_iteration(tmp_path / LEDGER, 0, made_up(60))
    run_on(2, twice, tmp_path)
    assert iteration_folder(tmp_path / LEDGER, 1).is_dir()
    assert not list((tmp_path / LEDGER).glob(".iteration=*"))
