"""Structures per second of ``interfaces.build`` on one core, paper parameters, 264 atoms.

OMP_NUM_THREADS=1 python benchmarks/interfaces.py [number of structures]
"""

from __future__ import annotations

import sys
import time

from aiida_dismai.engine.interfaces.build import Builder
from aiida_dismai.engine.interfaces.crystals import li3sccl6, licoo2
from aiida_dismai.engine.interfaces.parameters import InterfaceParameters
from aiida_dismai.engine.interfaces.protocol import lsc_lco

#: What the project asks for after start-up, structures per second on one core.
REQUIRED = 20.0


def main(n: int = 500) -> None:
    for exchanges in (False, True):
        started = time.perf_counter()
        builder = Builder(licoo2(), li3sccl6(), InterfaceParameters.model_validate(lsc_lco(n, exchanges)))
        prepared = time.perf_counter()
        built = [builder.build(0, i) for i in range(n)]
        made = [interface for interface in built if interface is not None]
        builder.collect(made)
        finished = time.perf_counter()
        rate = len(made) / (finished - prepared)
        print(
            f"{'with' if exchanges else 'without'} exchanges: start-up {prepared - started:.2f} s, "
            f"{len(made)} structures, {n - len(made)} failures, "
            f"{sum(interface.attempts - 1 for interface in made)} retries, "
            f"{rate:.0f} structures/s, {rate / REQUIRED:.1f} × the required {REQUIRED:.0f}"
        )


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
