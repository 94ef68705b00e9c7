"""The script that users run on .pt files: printed by the engine, run elsewhere, its output read back."""

import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from aiida_dismai.engine.gathering import gather
from aiida_dismai.engine.main import cli

pytestmark = pytest.mark.engine


def convert(tmp_path, *arguments):
    result = CliRunner().invoke(cli, ["converter"])
    assert result.exit_code == 0
    (tmp_path / "convert.py").write_text(result.output)
    command = [sys.executable, "-I", str(tmp_path / "convert.py"), *arguments]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)


def content(torch, axis):
    """Two structures, of two and one atoms, as CDVAE (with an axis of generations) and DiffCSP write them."""
    found = {
        "frac_coords": torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.25, 0.5, 0.75]]),
        "atom_types": torch.tensor([11, 17, 14]),
        "num_atoms": torch.tensor([2, 1]),
        "lengths": torch.tensor([[4.0, 4.0, 4.0], [3.0, 4.0, 5.0]]),
        "angles": torch.tensor([[90.0, 90.0, 90.0], [90.0, 90.0, 120.0]]),
    }
    return {name: tensor[None] if axis else tensor for name, tensor in found.items()}


@pytest.mark.parametrize("axis", [True, False])
def test_structures_of_cdvae_and_diffcsp(tmp_path, axis):
    import torch

    torch.save(content(torch, axis), tmp_path / "eval_gen.pt")
    run = convert(tmp_path, "eval_gen.pt", "gen.extxyz")
    assert run.returncode == 0, run.stderr
    assert run.stdout == "wrote 2 structures to gen.extxyz\n"
    structures = gather(tmp_path / "gen.extxyz").structures
    assert structures.formulas == ["NaCl", "Si"]
    assert np.allclose(structures[0].positions, [[0, 0, 0], [2, 2, 2]])
    # a hexagonal cell: b at 120 degrees to a
    assert np.allclose(structures[1].cells[0], [[3, 0, 0], [-2, 2 * np.sqrt(3), 0], [0, 0, 5]], atol=1e-6)
    assert np.allclose(structures[1].positions, [0.25 * 3 - 1, np.sqrt(3), 3.75], atol=1e-6)


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


def test_what_holds_more_than_tensors_is_refused(tmp_path):
    import torch

    torch.save({"frac_coords": Evil()}, tmp_path / "evil.pt")
    run = convert(tmp_path, "evil.pt", "gen.extxyz")
    assert run.returncode == 1
    assert "holds more than tensors" in run.stderr
    assert "executed" not in run.stdout
    assert not (tmp_path / "gen.extxyz").exists()


def test_another_file(tmp_path):
    import torch

    torch.save({"weights": torch.zeros(2)}, tmp_path / "model.pt")
    run = convert(tmp_path, "model.pt", "gen.extxyz")
    assert "has no frac_coords" in run.stderr
    assert "usage: python convert.py" in convert(tmp_path).stderr
