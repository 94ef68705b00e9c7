"""Canonical Monte Carlo of an alloy on its lattice (science.md section 5): the task ``alloys.sample``.

``parameters`` and ``system`` say what is sampled (light: no Numba), ``interactions`` turns the expansion into
tables, ``streams`` makes the random numbers and ``kernel`` swaps atoms. ``records`` keeps on disk what each run
went through, ``statistics`` judges the series, ``outputs`` writes the files, and ``run`` is the task.
"""
