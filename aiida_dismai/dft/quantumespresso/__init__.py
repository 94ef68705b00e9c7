"""Quantum ESPRESSO's pw.x as a DFT engine.

``engine`` is the engine: inputs of the WorkChain and labelled steps of its jobs; ``namelists`` makes and checks
parameters; ``pseudos`` knows the families of aiida-pseudo; ``stdout`` reads what pw.x prints as far as it is complete,
``trust`` says which of its steps can be labels; ``structures`` adds U to a structure, ``workchain`` is
aiida-quantumespresso's WorkChain with a stage that may end on its last step; ``protocols.yaml`` has pw.x's part of the
protocols of labelling. aiida-quantumespresso (the extra ``qe``) is imported when it is used.
"""

from .engine import QuantumEspressoEngine

ENGINE = QuantumEspressoEngine()

__all__ = ["ENGINE", "QuantumEspressoEngine"]
