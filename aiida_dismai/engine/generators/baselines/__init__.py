"""Generators that learn nothing, so that every benchmark has a floor and a ceiling.

``random_packing`` (model ``random``) knows composition, cell and the smallest distances, ``resample`` gives structures
of the source itself. A model that is no better than the first has learnt nothing; none can be better than the second.
"""
