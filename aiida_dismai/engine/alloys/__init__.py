"""Substitutional alloys on a lattice (science.md section 5).

``expansion`` (a two-body cluster expansion, read from JSON; ``fe_ni_cr.json`` is the paper's) stands on
``lattice`` (cell, basis, shells, symmetry) and ``supercell`` (the sites that a periodic cell holds).
Generated structures take the way ``cleanup`` → ``counts`` → ``describe``: clean-up finds the lattice in
the structure (``alignment``; ``orientation``, ``fragment`` and ``seam`` where it is rotated) and puts atoms on
sites (``assignment``), counts are pairs per shell with what follows from them (cluster probabilities,
short-range order, formation energy), and ``describe`` is what the metrics call.

``expansion``, ``lattice``, ``supercell`` and ``parameters`` need numpy and pydantic only; the rest is Numba.
"""
