"""Structural comparison of sets of interfaces: the surroundings of chosen cations in chosen regions (paper, 2.6).

``parameters`` say which, ``sites`` is what is computed of one structure, ``sets`` reads and describes a set,
``compare`` puts sets beside the training set, ``run`` is the task ``compare``.
"""
