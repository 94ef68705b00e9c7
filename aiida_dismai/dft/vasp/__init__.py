"""VASP as a DFT engine.

``engine`` is the engine: inputs of aiida-vasp's WorkChain and labelled steps of its jobs; ``incar`` makes and checks
tags; ``potcars`` knows families of potentials; ``vasprun`` reads a vasprun.xml as far as it is complete, ``trust`` says
which of its steps can be labels; ``protocols.yaml`` has VASP's part of the protocols of labelling. aiida-vasp is
imported when it is used.
"""

from .engine import VaspEngine

ENGINE = VaspEngine()

__all__ = ["ENGINE", "VaspEngine"]
