from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from cofee_dist.report.schema import as_report
from cofee_dist.report.terminal import print_report
from tests.unit.report.samples import ALL, sample_dict, sample_report, text_report, wide_report


def printed(report, styled: bool = False) -> str:
    console = Console(
        width=80,
        file=io.StringIO(),
        force_terminal=styled,
        color_system="standard" if styled else None,
        legacy_windows=False,
    )
    print_report(report, console)
    return console.file.getvalue()


@pytest.mark.parametrize("name", ALL)
def test_eighty_columns_are_enough(name: str) -> None:
    report = ALL[name]()
    lines = [line for line in printed(report).splitlines() if line.strip() not in report.next]
    assert max(cell_len(line) for line in lines) <= 80


def test_the_line_to_type_next_is_not_broken() -> None:
    assert f"  {sample_report().next[0]}\n" in printed(sample_report())


def test_all_findings_are_there() -> None:
    text = printed(sample_report())
    for shown in (
        "54.6",
        "CoFEE-MRC",
        "26.3",
        "39 min 03 s",
        "41.2 → 47.9 → 52.4 → 53.3 → 51.8",
        "NMI 0.63",
        "report.html",
    ):
        assert shown in text


def test_the_best_f1_is_bold_whichever_system_has_it() -> None:
    text = printed(wide_report(), styled=True)
    assert "\x1b[1m95.1\x1b[0m" in text
    row = next(line for line in text.splitlines() if "CoFEE-MRC" in line and "58.2" in line)
    assert "\x1b[1m54.6" not in row


def test_many_iterations_are_elided_around_the_best() -> None:
    line = next(line for line in printed(wide_report()).splitlines() if "validation F1 41.2" in line)
    assert "41.2 → 47.9 → 52.4 → 53.3 → 51.8 → … → 53.3 → 51.8" in line


def test_brackets_are_text_not_markup() -> None:
    made = sample_dict() | {"scored_on": "[bold]x[/bold]", "files": {"[red]model": "[/]runs"}}
    made["systems"][0]["name"] = "[green]Matching[/green]"
    text = printed(as_report(made))
    assert "[bold]x[/bold]" in text
    assert "[green]Matching[/green]" in text
    assert "[red]model" in text


def test_texts_stand_where_the_corpus_would() -> None:
    text = printed(text_report())
    assert "9,061 sentences of 5,120 lines; 353 left out" in text
    assert "CoFEE-MRC – ESI" in text
    assert not any(line.startswith("corpus") for line in text.splitlines())
