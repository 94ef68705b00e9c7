"""Amorphous networks by bond switching (Wooten, Winer, Weaire), every atom fourfold; the task ``amorphous.network``.

``diamond`` is where it starts, ``keating`` the energy, ``switching`` the transpositions, ``annealing`` their course,
``geometry`` what the result is.
"""
