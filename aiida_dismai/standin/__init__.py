"""A stand-in for VASP, for machines without its licence. It is NOT density-functional theory.

``dismai-vasp-standin`` reads and writes VASP's files, with energies, forces and stress of an ASE
calculator. ``inputs`` reads INCAR, POSCAR, KPOINTS and POTCAR; ``relaxation`` moves the ions;
``outcar``, ``vasprun`` and ``outputs`` write the files; ``potcars`` writes the family of potentials
that goes with it; ``main`` is the executable. See the README of this folder.
"""

#: Stands in the first lines of every file that it writes; by it reports tell its jobs from VASP's.
MARK = "aiida-dismai stand-in for VASP"
