"""Random interfaces between two bulk crystals.

``crystals`` (the two of the paper) → ``lattice`` (planes of a crystal) → ``slabs`` (cutting) →
``matching`` (a common lateral cell) → ``packing`` (the random region) → ``exchange`` and ``order``
(which ion sits where, and in which order they are written) → ``build`` (one structure) → ``run``
(the task). ``parameters`` and ``protocol`` hold the numbers, ``energy`` the interface energy.

Only names are defined at package level, so that the AiiDA side can import them.
"""

#: Values of the per-atom property ``region``: where an atom sits, not where its element came from.
REGIONS = {"interface": 0, "slab_a_top": 1, "slab_a": 2, "slab_b": 3}
