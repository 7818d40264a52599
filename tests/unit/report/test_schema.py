from __future__ import annotations

import json
import math

import numpy as np
import pytest
from pydantic import ValidationError

from cofee_dist.errors import UserError
from cofee_dist.report.schema import Picking, Report, Sentence, StageCurve, System, as_report, read_report
from tests.unit.report.samples import ALL, sample_dict, sample_report


@pytest.mark.parametrize("name", ALL)
def test_json_and_back(name: str) -> None:
    report = ALL[name]()
    text = json.dumps(report.to_json(), allow_nan=False)
    assert as_report(json.loads(text)) == report


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_numbers_that_json_lacks_are_none(value: float) -> None:
    assert System(name="a", precision=value, recall=0.0, f1=value).to_json()["f1"] is None
    assert StageCurve(name="a", steps=(1,), loss=(value,)).loss == (None,)


def test_numpy_scalars_are_taken() -> None:
    system = System(name="a", precision=np.float32(12.5), recall=np.float64(1), f1=np.float32(0), seconds=np.int64(3))
    assert (system.precision, system.seconds) == (12.5, 3.0)
    made = sample_dict()
    made["run"]["labels"] = {"PER": np.int64(7)}
    assert json.loads(json.dumps(as_report(made).to_json()))["run"]["labels"] == {"PER": 7}


def test_unknown_keys_and_fractions_out_of_range_are_refused() -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Report.model_validate(sample_dict() | {"colour": "red"})
    with pytest.raises(ValidationError):
        System(name="a", precision=101.0, recall=0.0, f1=0.0)


@pytest.mark.parametrize(("start", "end"), [(0, 5), (2, 2), (3, 1)])
def test_spans_must_lie_in_their_text(start: int, end: int) -> None:
    with pytest.raises(ValidationError, match="does not lie"):
        Sentence(text="abcd", entities=({"start": start, "end": end, "type": "X"},))  # type: ignore[arg-type]


def test_the_best_iteration_must_exist_and_curves_fit_their_axis() -> None:
    with pytest.raises(ValidationError, match="not among"):
        Picking(iterations=(), best=0)
    with pytest.raises(ValidationError, match="loss has 1 values"):
        StageCurve(name="a", steps=(1, 2), loss=(0.1,))


def test_types_keep_the_order_of_the_task_and_add_what_the_data_holds() -> None:
    made = sample_dict()
    made["predictions"].append({"text": "Mars", "entities": [{"start": 0, "end": 4, "type": "PLANET"}]})
    assert as_report(made).types == ["PER", "LOC", "ORG", "PLANET"]


def test_read_report_says_what_to_do(tmp_path) -> None:
    with pytest.raises(UserError, match="cannot read the report"):
        read_report(tmp_path / "report.json")
    (tmp_path / "report.json").write_text('{"run": 1}')
    with pytest.raises(UserError, match="not a report of this version"):
        read_report(tmp_path / "report.json")
    (tmp_path / "report.json").write_text(json.dumps(sample_report().to_json()))
    assert read_report(tmp_path / "report.json") == sample_report()
