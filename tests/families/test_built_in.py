"""The families of the package: what their specs say is what their metrics give."""

import dataclasses
import fnmatch
import re
import subprocess
import sys
from pathlib import Path

import pytest

import aiida_dismai.report
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.families.base import make_metrics
from aiida_dismai.engine.families.contract import MetricSpec
from aiida_dismai.engine.families.parameters import DescribeParameters
from aiida_dismai.engine.families.registry import find, names
from aiida_dismai.report.family import make_report


@pytest.mark.parametrize("name", names())
def test_a_spec_names_what_its_metrics_give(name):
    spec, metrics = find(name), make_metrics(DescribeParameters(kind=name))
    given = list(metrics.metrics())
    assert spec.main in given
    for metric in spec.metrics:
        assert fnmatch.filter(given, metric.name), metric.name
    assert [curve.name for curve in spec.curves] == list(metrics.curves())


@pytest.mark.parametrize("name", names())
def test_the_part_of_the_report_that_a_spec_names_is_there(name):
    report = make_report(find(name))
    assert (report.problem, f"{type(report).__module__}:{type(report).__name__}") == ("", find(name).report)


def test_reports_name_no_family():
    """But for the stages, which know tasks by name, and the paper's numbers."""
    folder = Path(aiida_dismai.report.__file__).parent
    page = (*folder.glob("page/*.html"), folder / "page" / "page.js", folder / "page" / "viewer.js")
    modules = [path for path in (*folder.glob("*.py"), *page) if path.name != "stages.py"]
    assert len(modules) > 10
    words = re.compile("|".join(names()))
    assert [path.name for path in modules if words.search(path.read_text())] == []


def test_labels():
    spec = find("alloy")
    assert spec.metric("vacancy_percent").title == "with a vacancy, %"
    assert spec.metric("d_cluster").title == "distance of the cluster probabilities"
    assert spec.metric("d_other") is None


def test_a_name_with_a_star_stands_for_all_others():
    metrics = (MetricSpec("d_all", "all"), MetricSpec("d_*", "distance of {}", "Å"))
    spec = dataclasses.replace(find("interface"), metrics=metrics)
    assert (spec.metric("d_all").title, spec.metric("d_Li").title) == ("all", "distance of Li, Å")


def test_specs_are_light():
    code = (
        "import sys\n"
        "from aiida_dismai.engine.families.parameters import DescribeParameters\n"
        "DescribeParameters(kind='interface'); DescribeParameters.tables()\n"
        "print([name for name in ('numba', 'torch', 'pymatgen', 'scipy', 'aiida') if name in sys.modules])\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_class_of_another_kind_is_refused(monkeypatch):
    parameters = DescribeParameters(kind="alloy")
    wrong = dataclasses.replace(parameters.family, engine="aiida_dismai.engine.parameters:Parameters")
    monkeypatch.setattr(DescribeParameters, "family", property(lambda self: wrong))
    with pytest.raises(BadInput, match="Parameters is not a subclass of FamilyMetrics"):
        make_metrics(parameters)
