"""What labels were computed with, and which of them go together."""

import numpy as np
import pytest

from aiida_dismai.engine.methods import Method, conflicts, methods_of, mixed, read_method
from aiida_dismai.engine.structures import StructureSet

ONE = Method("vasp", "PBE", {"Co": "d 3.32"}, {"Co": "SHA-512:aa", "O": "SHA-512:bb"})


def test_text_and_back():
    assert str(ONE) == "vasp PBE U(Co-d)=3.32 Co=SHA-512:aa O=SHA-512:bb"
    assert read_method(str(ONE)) == ONE
    assert read_method("vasp") == Method("vasp")
    assert read_method("") == Method("?")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Method("pw", "PBE", {"Co": "d 3.32"}, {"Co": "MD5:1", "O": "MD5:2"}), ["DFT engine (vasp, pw)"]),
        (Method("vasp", "PBEsol", {"Co": "d 3.32"}, {"Co": "SHA-512:aa"}), ["functional (PBE, PBEsol)"]),
        (Method("vasp", "PBE", {}, {"Co": "SHA-512:aa"}), ["U of Co (d 3.32, none)"]),
        (Method("vasp", "PBE", {"Co": "d 4"}, {"Co": "SHA-512:aa"}), ["U of Co (d 3.32, d 4)"]),
        (Method("vasp", "PBE", {"Co": "d 3.32"}, {"Co": "SHA-512:cc"}), ["potential of Co"]),
        # elements that only one of the two has, and a functional that is not known
        (Method("vasp", "?", {}, {"Li": "SHA-512:dd", "O": "SHA-512:bb"}), []),
        (ONE, []),
    ],
)
def test_what_goes_together(other, said):
    assert conflicts([str(ONE), str(other), str(ONE)]) == said


def test_methods_of_a_set():
    structures = StructureSet.from_uniform([14], np.zeros((3, 1, 3)), 3 * np.eye(3))
    assert methods_of(structures) == []
    labelled = structures.with_property("method", ["vasp PBE", "vasp PBEsol", "vasp PBE"], "structure")
    assert methods_of(labelled) == ["vasp PBE", "vasp PBEsol"]
    said = "the labels are of several methods, which differ in functional (PBE, PBEsol)"
    assert mixed(methods_of(labelled)) == said
    assert mixed(methods_of(labelled[:1])) == ""
