"""The report as a browser shows it: real content, no request, nothing clipped or overflowing, light and dark."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cofee_dist.report.clusters_page import render_clusters
from cofee_dist.report.matches_page import render_matches
from cofee_dist.report.write import write_report
from tests.unit.report.samples import ALL
from tests.unit.report.test_clusters_page import evidence
from tests.unit.report.test_matches_page import sample

pytestmark = pytest.mark.browser

MATCHES = ("matches of anchors", "matches of text")
CLUSTERS = {"few clusters": 4, "many clusters": 130}

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=8000",
)

#: Refuses, and so reveals, everything that the page would fetch.
POLICY = """<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<script>window.refused = []; addEventListener('securitypolicyviolation', e => refused.push(e.blockedURI));</script>"""

PROBE = """<script>addEventListener('load', () => {
  const box = element => element.getBoundingClientRect();
  const label = element => element.textContent.trim();
  const clipped = [], overlapping = [];
  for (const figure of document.querySelectorAll('figure')) {
    const texts = [...figure.querySelectorAll('svg text')].filter(label), outer = box(figure);
    texts.forEach((one, at) => {
      const a = box(one);
      const inside = a.left >= outer.left && a.right <= outer.right && a.top >= outer.top && a.bottom <= outer.bottom;
      if (!inside) clipped.push(label(one));
      for (const other of texts.slice(at + 1)) {
        const b = box(other);
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 4) overlapping.push(label(one) + ' | ' + label(other));
      }
    });
  }
  parent.postMessage(JSON.stringify({
    width: innerWidth, scrollWidth: document.documentElement.scrollWidth, refused, clipped, overlapping,
    requests: performance.getEntriesByType('resource').map(entry => entry.name),
    figures: [...document.querySelectorAll('figure svg')].map(svg => [box(svg).width, box(svg).height]),
    smallest: Math.min(...[...document.querySelectorAll('svg text')].map(
      text => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a)),
    text: document.body.innerText, ground: getComputedStyle(document.body).backgroundColor,
    ink: getComputedStyle(document.body).color,
  }), '*');
});</script>"""

WRAPPER = """<!doctype html><body style="margin:0"><pre id="told"></pre>
<script>addEventListener('message', e => document.getElementById('told').textContent = e.data);</script>
<iframe src="probed.html" style="border:0;width:{width}px;height:900px"></iframe>"""


def look(folder: Path, name: str, width: int, *flags: str) -> dict[str, Any]:
    """Open a sample's page in a frame of that width and return what the probe measured there."""
    if CHROMIUM is None:
        pytest.skip("no chromium in PATH")
    if name in MATCHES:
        page = render_matches(sample(of_text=name == "matches of text"), name)
    elif name in CLUSTERS:
        page = render_clusters(evidence(CLUSTERS[name]))
    else:
        page = write_report(ALL[name](), folder)[1].read_text(encoding="utf-8")
    page = page.replace("<head>", f"<head>{POLICY}", 1).replace("</body>", f"{PROBE}</body>", 1)
    (folder / "probed.html").write_text(page, encoding="utf-8")
    wrapper = folder / "wrapper.html"
    wrapper.write_text(WRAPPER.format(width=width), encoding="utf-8")
    size = f"--window-size={max(width, 600)},1000"
    command = [CHROMIUM, *FLAGS, *flags, size, f"--user-data-dir={folder / 'profile'}", "--dump-dom", wrapper.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    told = re.search(r'<pre id="told">(.*?)</pre>', dom, re.DOTALL)
    assert told, dom[:500]
    assert told.group(1), "the page never told what it measured"
    found: dict[str, Any] = json.loads(html.unescape(told.group(1)))
    assert found["width"] == width
    return found


@pytest.mark.parametrize("width", [420, 1200])
@pytest.mark.parametrize("name", [*ALL, *CLUSTERS])
def test_page_fits_and_fetches_nothing(tmp_path: Path, name: str, width: int) -> None:
    found = look(tmp_path, name, width)
    assert found["refused"] == []
    assert found["requests"] == []
    assert found["scrollWidth"] <= width
    assert found["clipped"] == []
    assert found["overlapping"] == []
    assert found["figures"]
    assert all(wide > 250 and high > 60 for wide, high in found["figures"])
    assert found["smallest"] >= 8


@pytest.mark.parametrize("width", [420, 1200])
@pytest.mark.parametrize("name", MATCHES)
def test_the_page_of_the_word_lists_fits_and_fetches_nothing(tmp_path: Path, name: str, width: int) -> None:
    found = look(tmp_path, name, width)
    assert (found["refused"], found["requests"]) == ([], [])
    assert found["scrollWidth"] <= width
    for shown in ("Never met", "Nobody 0", "1,200", "PER, LO/C, ORG"):
        assert shown in found["text"]


def test_real_content_is_rendered(tmp_path: Path) -> None:
    text = look(tmp_path, "sample", 1200)["text"]
    for shown in (
        "54.6",
        "F1 of CoFEE-MRC on Twitter test",
        "Self-picking",
        "Mississippi River",
        "University of Paris",
    ):
        assert shown in text
    assert "Config, resolved" in text
    assert "learning_rate" not in text


def test_dark_mode_is_dark(tmp_path: Path) -> None:
    light = look(tmp_path, "bare", 1200, "--blink-settings=preferredColorScheme=1")
    dark = look(tmp_path, "bare", 1200, "--blink-settings=preferredColorScheme=0")

    def brightness(colour: str) -> float:
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3

    assert brightness(light["ground"]) > 200 > 60 > brightness(light["ink"])
    assert brightness(dark["ground"]) < 60 < 200 < brightness(dark["ink"])
