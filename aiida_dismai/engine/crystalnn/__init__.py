"""Near neighbours by CrystalNN, whole structures at a time: pymatgen's definition in compiled loops.

``points`` lays out the atoms and their periodic images; ``voronoi`` cuts each site's Voronoi cell out of
them; ``elements`` says what the elements add (radii, electronegativities, who may bond to whom);
``neighbours`` makes weights of all that, and coordination numbers of the weights;
``order_parameters`` measures how much the neighbours of a coordination number resemble its motifs.
``options`` and ``errors`` are what a caller needs besides. The method is that of Pan et al.,
Inorg. Chem. 60, 1590 (2021) and Zimmermann and Jain, RSC Adv. 10, 6063 (2020); the numbers are
pymatgen's (``pymatgen.core.local_env``), to rounding.

Example:
    >>> found = near_neighbours(structures[0], CrystalNNOptions(cation_anion=True), {"Li": 1, "Cl": -1})
    >>> found.best_cn  # the most likely coordination number of each site
"""
