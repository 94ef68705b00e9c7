"""From generated structures to the benchmark's numbers.

``postprocess`` pushes atoms apart that a generator put on top of each other. The metrics go from
structures to one number in four steps, one module each: ``chemistry`` (which ions there are),
``fingerprints`` (CrystalNN, the one place that calls matminer), ``summaries`` and ``collect`` (what
is kept of a structure, and making it for many, resumably), ``interface`` with ``bootstrap`` and
``motifs`` (distances, intervals, most likely motifs). ``reference`` is the training set's side,
which can be saved and used again; ``run`` is the task.
"""
