"""Making the small data sets that ship with the package, from ``small/data/recipe.json``.

The recipe holds parameters of tasks and seeds; the tasks run in folders (``engine.steps``). ``families`` says which
tasks make which set, ``label`` computes labels of interfaces with the stand-in, ``making`` writes what ships,
``command`` is ``dismai small``.
"""
