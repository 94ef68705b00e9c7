"""Near neighbours by CrystalNN, whole structures at a time: pymatgen's definition in compiled loops.

``points`` lays out the atoms and their periodic images; ``voronoi`` cuts each site's Voronoi cell out of
them (``polyhedron`` is what is cut); ``elements`` says what the elements add (radii, electronegativities, who may
bond to whom); ``neighbours`` makes weights of all that, and coordination numbers of the weights;
``order_parameters`` (with ``motifs``, ``shell`` and ``steinhardt``) measures how much the neighbours of a coordination
number resemble its motifs. ``options`` and ``errors`` are what a caller needs besides. The method is that of Pan et
al., Inorg. Chem. 60, 1590 (2021) and Zimmermann and Jain, RSC Adv. 10, 6063 (2020); the numbers are
pymatgen's (``pymatgen.core.local_env``), to rounding.

**Ambiguous sites.** In places pymatgen's answer depends on the last digits of the coordinates: the cell of a site on an
exactly flat surface, or on the line between two of its own images at an edge, is open or closed by chance; a weight
halfway between two thousandths is rounded up or down; an angle sits on a limit of an order parameter; or
neighbours of equal weight come in the order in which Qhull found them. Such sites are marked, and counted in the
results; at all others the numbers agree to about 1e-12.

Example:
    >>> from aiida_dismai.engine.crystalnn.neighbours import near_neighbours
    >>> from aiida_dismai.engine.crystalnn.options import CrystalNNOptions
    >>> from aiida_dismai.engine.structures import from_ase
    >>> from ase.build import bulk
    >>> rock_salt = from_ase([bulk("LiCl", "rocksalt", a=5.13)])
    >>> found = near_neighbours(rock_salt[0], CrystalNNOptions(cation_anion=True), {"Li": 1, "Cl": -1})
    >>> found.best_cn  # the most likely coordination number of each site
    array([6, 6])
"""
