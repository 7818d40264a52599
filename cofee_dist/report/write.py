"""Writing a report to a run's folder: the numbers, then the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cofee_dist.artifacts import write_json, write_text
from cofee_dist.report.page import render_page
from cofee_dist.report.schema import Report, as_report

REPORT_JSON = "report.json"
REPORT_HTML = "report.html"


def write_report(report: Report | Mapping[str, Any], folder: str | Path) -> tuple[Path, Path]:
    """Write ``report.json`` and ``report.html``, each atomically; returns their paths.

    The page is drawn before anything is written: if it cannot be, the folder keeps what it had.
    """
    report, folder = as_report(report), Path(folder)
    page = render_page(report)
    write_json(folder / REPORT_JSON, report.to_json())
    write_text(folder / REPORT_HTML, page)
    return folder / REPORT_JSON, folder / REPORT_HTML
