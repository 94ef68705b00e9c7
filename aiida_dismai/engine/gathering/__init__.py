"""What a generator leaves, as one set of structures: a file of many, a folder or a zip archive of files, a table.

``gather`` reads them all and keeps the names: of each structure the file and the frame in it. ``archive`` unpacks zip
archives within bounds, ``pymatgen`` reads pymatgen's JSON without loading classes by name, ``table`` a column of CIFs
in a CSV file; ``reading`` is what commands say of all that. Pickles (``.pt`` of PyTorch among them) are never loaded:
``converter`` is a script for that, which users run in the environment that wrote them.
"""

from .gather import Given, Refusal, gather
from .reading import read_given

__all__ = ["Given", "Refusal", "gather", "read_given"]
