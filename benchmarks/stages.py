"""Does each stage add F1? The quickstart's world and job with several seeds, means and spreads over them.

    python benchmarks/stages.py                 # seeds 0 1 2, about 6 minutes each on 2 cores
    python benchmarks/stages.py --seeds 7

World, encoder and training all take the seed. FET is trained once more without its cluster loss (gamma 0), from the
same model and labels: what that gives is due to its epochs alone. Prints a table of P/R/F1 (mean ± standard
deviation), the gain of each stage by seed, what self-picking recovered and how well clusters meet the fine types;
writes benchmarks/out/stages.json.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cofee_dist.artifacts import write_json
from cofee_dist.pipeline.progress import RunProgress
from cofee_dist.pipeline.quickstart import quickstart_config
from cofee_dist.pipeline.run import pretrain
from cofee_dist.report.schema import Report

os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

OUT = Path(__file__).resolve().parent / "out"
#: What a stage adds: the system with it against the system without it.
GAINS = {
    "self-picking": ("– FET – ESI", "MRC-NER"),
    "ESI": ("– FET", "– FET – ESI"),
    "FET": ("CoFEE-MRC", "– FET"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    seeds = parser.parse_args().seeds
    console = Console()
    reports, controls = {}, {}
    for seed in seeds:
        console.rule(f"seed {seed}")
        folder = OUT / f"stages-{seed}"
        control = quickstart_config(folder, seed, ["stages.fet.cluster_loss_weight=0"])
        controls[seed] = pretrain(control, RunProgress(console))
        # The same run: only FET and what follows it are made anew.
        reports[seed] = pretrain(quickstart_config(folder, seed), RunProgress(console))
    result = summary(reports, controls)
    write_json(OUT / "stages.json", result)
    console.print(systems_table(result), gains_table(result))
    console.print(f"written to {OUT / 'stages.json'}")


def summary(reports: dict[int, Report], controls: dict[int, Report]) -> dict[str, Any]:
    """Scores, gains, picking and clusters by seed, with mean and standard deviation."""
    names = [system.name for system in next(iter(reports.values())).systems]

    def over_seeds(value: Callable[[Report], float], of: dict[int, Report] = reports) -> dict[str, Any]:
        by_seed = {seed: value(report) for seed, report in of.items()}
        return {"by_seed": by_seed, **spread(list(by_seed.values()))}

    def gain(report: Report, stage: str) -> float:
        with_it, without = (score(report, name, "f1") for name in GAINS[stage])
        return with_it - without

    return {
        "systems": {
            name: {part: over_seeds(partial(score, name=name, part=part)) for part in ("precision", "recall", "f1")}
            for name in names
        },
        "gains": {stage: over_seeds(partial(gain, stage=stage)) for stage in GAINS}
        | {"FET without its cluster loss": over_seeds(partial(gain, stage="FET"), controls)},
        "recovered_share": over_seeds(lambda report: best(report).recovered_missing / report.picking.missing),
        "recovery_precision": over_seeds(lambda report: best(report).recovery_precision or 0.0),
        "purity": over_seeds(lambda report: report.clusters.purity),
        "nmi": over_seeds(lambda report: report.clusters.nmi),
    }


def score(report: Report, name: str, part: str) -> float:
    """Precision, recall or F1 of a system; 0 where it found nothing."""
    value: float | None = getattr(report.system(name), part)
    return value or 0.0


def best(report: Report) -> Any:
    """The round of self-picking whose labels were kept."""
    assert report.picking is not None
    return report.picking.best_iteration


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean and standard deviation."""
    return {"mean": statistics.fmean(values), "sd": statistics.stdev(values) if len(values) > 1 else 0.0}


def systems_table(result: dict[str, Any]) -> Table:
    """P, R and F1 of each system."""
    table = Table("system", *(name for name in ("P", "R", "F1")), title="mean ± sd over seeds", title_justify="left")
    for name, parts in result["systems"].items():
        table.add_row(name, *(f"{part['mean']:.1f} ± {part['sd']:.1f}" for part in parts.values()))
    return table


def gains_table(result: dict[str, Any]) -> Table:
    """F1 that each stage adds, and what picking and clusters gave."""
    table = Table("what", "mean", "by seed", title="what the stages add (F1)", title_justify="left")
    for stage, gain in result["gains"].items():
        table.add_row(stage, f"{gain['mean']:+.1f}", "  ".join(f"{value:+.1f}" for value in gain["by_seed"].values()))
    table.add_section()
    for name in ("recovered_share", "recovery_precision", "purity", "nmi"):
        row = result[name]
        table.add_row(name, f"{row['mean']:.2f}", "  ".join(f"{value:.2f}" for value in row["by_seed"].values()))
    return table


if __name__ == "__main__":
    main()
