"""From generated structures to the benchmark's numbers.

``postprocess`` pushes atoms apart that a generator put on top of each other. The metrics go from structures to
numbers in three steps. *Describe*: the metrics of a family (``engine.families``, with what ``engine.descriptors``
computes) turn one structure into one record; ``collect`` does so for many, resumably, into a file of ``records``.
*Compare*: ``compare`` takes averages over records (``statistics``), their distances (``engine.families.distances``),
``bootstrap`` intervals, and the noise ``floor``; ``motifs`` compares shares of motifs, ``energies`` energies.
*Keep*: ``reference`` is the training set's side, which can be saved and used again, or read from the authors' csv files
(``engine.families.published``); ``arrays`` takes columns out of records, ``places`` and ``shown`` choose the structures
that a page shows. ``run`` holds the tasks, ``parameters`` what they take, ``command`` the command line. ``aggregate``
brings the results of several models together, ``study`` those of several data sets, and ``ranking`` ranks them.
"""
