"""The small data sets that ship with the package: where they lie, what belongs to them, and their recipe.

``data/`` holds, for each set, ``NAME.train.npz`` and ``NAME.validation.npz``; ``recipe.json``, from which
:mod:`aiida_dismai.engine.recipes` makes them again; ``manifest.json``, the content hashes and how each set came about;
the potential of the interfaces; README and licence. :mod:`.catalogue` finds them by name.
"""
