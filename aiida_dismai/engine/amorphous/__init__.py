"""Amorphous silicon: three ways to make it, and the measures that say how good it is.

``network`` switches bonds (Wooten–Winer–Weaire), ``quench`` cools a melt by molecular dynamics, ``carve`` cuts cells
out of a large one. All three share ``making`` (structure by structure, attempts, checkpoints, results), ``gate`` (what
is rejected) and ``measures`` (coordination, angles, radial distribution, rings, crystallinity, density); the task
``amorphous.measure`` in ``measuring`` computes the latter for any set of structures.
"""
