from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from cofee_dist.report.colours import PALETTE, THEME, system_swatches, type_swatches
from cofee_dist.report.curves import MOST_POINTS, smoothed, thinned
from cofee_dist.report.figures import MOST_CLUSTERS, clusters_figure, figures, picking_figure, systems_figure
from cofee_dist.report.schema import as_report
from tests.unit.report.samples import ALL, bare_report, chinese_report, sample_dict, sample_report, wide_report

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str | None) -> list[str]:
    assert svg is not None
    return ["".join(element.itertext()).strip() for element in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", ALL)
def test_every_figure_is_well_formed_themed_and_alone(name: str) -> None:
    ids: list[str] = []
    for svg in figures(ALL[name]()).values():
        if svg is None:
            continue
        root = ET.fromstring(svg)
        assert root.get("role") == "img"
        assert root.get("aria-label")
        assert "nan" not in " ".join(element.get("d", "") for element in root.iter(f"{SVG}path")).lower()
        for value in (*PALETTE.values(), *THEME.values()):
            assert value not in svg
        found = [element.get("id", "") for element in root.iter() if element.get("id")]
        assert {reference for reference in re.findall(r'(?:href="|url\()#([^")]+)', svg)} <= set(found)
        ids += found
    assert ids
    assert len(ids) == len(set(ids))


def test_systems_bars_have_their_values_and_the_published_ones() -> None:
    found = texts(systems_figure(sample_report()))
    assert {"Matching", "CoFEE-MRC", "– FET – ESI", "30.1", "54.6", "49.8", "26.3", "48.6"} <= set(found)


def test_bars_are_as_long_as_their_values() -> None:
    made = sample_dict() | {"paper": None}
    for system, f1 in zip(made["systems"], (10.0, 20.0, 40.0, 30.0, 5.0), strict=True):
        system["f1"] = f1
    svg = systems_figure(as_report(made))
    assert svg is not None
    bars = re.findall(
        r'id="systems-patch_\d+">\s*<path d="M ([\d.]+) [\d.]+\s*L ([\d.]+) [\d.]+[^"]*"[^>]*style="fill: var\(--c-',
        svg,
    )
    widths = [float(right) - float(left) for left, right in bars]
    assert [round(width / widths[0], 2) for width in widths] == [1.0, 2.0, 4.0, 3.0, 0.5]


def test_long_names_are_cut_and_chinese_stays_text() -> None:
    assert all(len(text) <= 40 for text in texts(systems_figure(wide_report())))
    assert any("苹果手机保护壳" in text for text in texts(clusters_figure(chinese_report())))


def test_a_hundred_clusters_share_a_last_bar() -> None:
    found = texts(clusters_figure(wide_report()))
    assert f"{100 - MOST_CLUSTERS} smaller clusters" in found


def test_recovery_is_drawn_only_where_truth_is_known() -> None:
    assert any("recovered" in text for text in texts(picking_figure(sample_report())))
    assert not any("recovered" in text for text in texts(picking_figure(bare_report())))


def test_nothing_to_show_is_no_figure() -> None:
    empty = as_report(sample_dict() | {"systems": [], "picking": None, "clusters": None, "stages": []})
    assert set(figures(empty).values()) == {None}
    unscored = [{"name": "A", "precision": None, "recall": None, "f1": float("nan")}]
    assert systems_figure(as_report(sample_dict() | {"systems": unscored})) is None


def test_colours_are_the_same_everywhere_and_differ() -> None:
    some = system_swatches(["CoFEE-MRC", "mine"])
    more = system_swatches(["Matching", "mine", "CoFEE-MRC"])
    assert some["CoFEE-MRC"] == more["CoFEE-MRC"]
    assert some["mine"] != some["CoFEE-MRC"]
    many = type_swatches([str(number) for number in range(20)])
    assert len(set(many.values())) == 20


def test_thinning_keeps_the_mean_and_the_order() -> None:
    points = [(float(step), float(step % 7)) for step in range(10 * MOST_POINTS)]
    thin = thinned(points)
    assert len(thin) == MOST_POINTS
    assert sum(y for _, y in thin) / MOST_POINTS == pytest.approx(sum(y for _, y in points) / len(points))
    assert thin == sorted(thin)
    assert thinned(points[:5]) == points[:5]


def test_smoothing_leaves_a_constant_and_damps_a_spike() -> None:
    flat = [(float(x), 2.0) for x in range(50)]
    assert smoothed(flat) == flat
    spiked = [(x, 100.0 if x == 25 else y) for x, y in flat]
    assert 2.0 < max(y for _, y in smoothed(spiked)) < 50
