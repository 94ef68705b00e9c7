"""From generated structures to the benchmark's numbers.

``postprocess`` pushes atoms apart that a generator put on top of each other. The metrics go from structures to
numbers in three steps. *Describe*: a family of metrics (``kinds``) turns one structure into one record
(``fingerprints``, ``motifs``, ``rdf``, ``angles``, and ``engine.alloys``); ``collect`` does so for many, resumably,
into a file of ``records``. *Compare*: ``compare`` takes averages over records (``statistics``), their ``distances``
and ``bootstrap`` intervals, and the noise ``floor``; ``energies`` compares energies. *Keep*: ``reference`` is the
training set's side, which can be saved and used again, or read from the authors' csv files (``published``);
``arrays`` writes the numbers of every structure. ``run`` holds the tasks, ``command`` the command line. ``aggregate``
brings the results of several models together.
"""
