"""S3: arguments of calculators are checked by name and value, before anything is submitted."""

import pytest

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.tasks import find_task

S3 = [
    ("m3gnet", {"command": "x"}),
    ("edip", {"command": "x"}),
    ("sw_vink", {"file": "x"}),
    ("chgnet", {"model": "x.pkl"}),
    ("chgnet", {"use_device": "cuda:0; x"}),
    ("chgnet", {"restart": "x"}),
    ("chgnet", {"kwargs": {}}),
    ("chgnet", {"stress_weight": "x"}),
    ("gap", {"param_filename": "gap.xml", "args_str": "FilePot command=x"}),
    ("gap", {"param_filename": "gap.xml", "calc_args": "x"}),
    ("gap", {"param_filename": "gap.xml", "param_str": "<x/>"}),
    ("lammps", {"pair_style": "python", "file": "Si.sw", "elements": ["Si"]}),
    ("lammps", {"pair_style": "sw", "file": "Si.sw", "elements": ["Si"], "cmds": ["shell x"]}),
    ("lammps", {"pair_style": ["sw"], "file": "Si.sw", "elements": ["Si"]}),
]


@pytest.mark.parametrize(("name", "arguments"), S3)
@pytest.mark.parametrize("where", ["relax", "energies", "quench"])
def test_s3_arguments_are_checked_before_anything_is_submitted(name, arguments, where):
    task, parameters = {
        "relax": ("relax", {"calculator": name, "calculator_kwargs": arguments}),
        "energies": ("amorphous.measure", {"energies": {"calculator": name, "calculator_kwargs": arguments}}),
        "quench": ("amorphous.quench", {"potential": name, "potential_kwargs": arguments}),
    }[where]
    with pytest.raises(BadInput, match=f"calculator '{name}'"):
        find_task(task).validate(parameters)
