"""`verdi data dismai.…` is found by AiiDA and lists, shows, exports and views."""

import numpy as np
import pytest
from aiida.cmdline.commands.cmd_verdi import verdi
from click.testing import CliRunner
from support import handmade

from aiida_dismai.cli.verdi_data import curve
from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.structures import load_structures


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


def run(*words):
    return CliRunner().invoke(verdi, ["data", *map(str, words)])


def one_line(result, words):
    assert result.exit_code != 0
    assert words in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_structures_are_listed_and_shown(graph):
    node = graph.outputs["train"]
    result = run("dismai.structures", "list")
    assert result.exit_code == 0, result.output
    assert str(node.pk) in result.output
    assert "split_structures<" in result.output
    result = run("dismai.structures", "show", node.pk)
    assert node.content_hash in result.output


def test_only_the_newest_are_listed(graph):
    newest = StructureSetData(handmade.structures(1, 5)).store()
    result = run("dismai.structures", "list", "-n", 1)
    assert str(newest.pk) in result.output
    assert str(graph.outputs["train"].pk) not in result.output.split()


@pytest.mark.parametrize("ending", ["npz", "extxyz"])
def test_export_holds_the_same(graph, tmp_path, ending):
    node = graph.outputs["train"]
    path = tmp_path / f"train.{ending}"
    result = run("dismai.structures", "export", node.pk, path)
    assert result.exit_code == 0, result.output
    read = load_structures(path)
    np.testing.assert_array_equal(read.positions, node.structures.positions)
    assert "stand-in" in result.output  # energies are not DFT
    one_line(run("dismai.structures", "export", node.pk, path), "exists")


@pytest.mark.parametrize("ending", ["cif", "vasp", "npz", "extxyz"])
def test_export_of_one_structure(graph, tmp_path, ending):
    node = graph.outputs["train"]
    path = tmp_path / f"one.{ending}"
    assert run("dismai.structures", "export", node.pk, path, "--index", 3).exit_code == 0
    read = load_structures(path)
    assert len(read) == 1
    fractions = [one.positions @ np.linalg.inv(one.cells[0]) for one in (read, node.structures[3])]
    ordered = [each[np.lexsort(each.round(4).T)] for each in fractions]
    np.testing.assert_allclose(*ordered, atol=1e-5)


def test_export_of_a_cif_needs_an_index(graph, tmp_path):
    one_line(run("dismai.structures", "export", graph.outputs["train"].pk, tmp_path / "a.cif"), "--index")
    one_line(run("dismai.structures", "export", graph.outputs["train"].pk, tmp_path / "a.txt"), "ending")
    result = run("dismai.structures", "export", graph.outputs["train"].pk, tmp_path / "a.cif", "--index", 8)
    one_line(result, "structures 0 to 7")


def test_picture_has_pixels(graph, tmp_path):
    from matplotlib.image import imread

    path = tmp_path / "one.png"
    result = run("dismai.structures", "view", graph.outputs["train"].pk, "--index", 1, "-o", path)
    assert result.exit_code == 0, result.output
    assert imread(path)[..., :3].std() > 0.05


def test_window_needs_a_screen(graph, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    one_line(run("dismai.structures", "view", graph.outputs["train"].pk), "no screen")


@pytest.mark.parametrize(("group", "port"), [("potential", "potential"), ("generator", "generators__model_0")])
def test_weights(graph, tmp_path, group, port):
    node = graph.outputs[port]
    assert str(node.pk) in run(f"dismai.{group}", "list").output
    assert node.base.attributes.get("sha256")["weights.safetensors"] in run(f"dismai.{group}", "show", node.pk).output
    folder = tmp_path / "out"
    assert run(f"dismai.{group}", "export", node.pk, folder).exit_code == 0
    assert node.FORMAT.read_config(folder) == node.config
    one_line(run(f"dismai.{group}", "export", node.pk, folder), "not empty")
    assert "█" in run(f"dismai.{group}", "view", node.pk).output


def test_weights_without_their_training(graph):
    from support.weights import weights

    from aiida_dismai.data import PotentialData

    one_line(
        run("dismai.potential", "view", weights(PotentialData, "alone").store().pk), "imported without its training"
    )


def test_another_type_of_node_is_refused(graph):
    one_line(run("dismai.potential", "show", graph.outputs["train"].pk), "not a PotentialData")


def test_curves_of_numbers_that_are_none():
    assert curve([float("nan"), 1.0, 2.0]) == "?▁█"
    assert curve([float("nan")]) == "?"
    assert curve([3.0, 3.0]) == "▁▁"
    assert curve([-1.0, 0.0, 1.0]) == "▁▅█"
    assert len(curve(np.arange(1000))) == 60
