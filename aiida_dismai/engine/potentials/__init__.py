"""Interatomic potentials: train an M3GNet, measure its errors, relax structures with it or any other.

============================ ==================================================================
``parameters``               the parameter models of the three tasks (imports no torch)
``labels``                   what a labelled set must have, and the split grouped by trajectory
``references``               reference energies of the elements, also when all compositions are one
``graphs``                   neighbour lists and batches for matgl
``architectures``            the networks that can be built, by name: a second one is added there
``folder``                   the folder ``config.json`` + ``weights.safetensors``
``errors``                   the loss of eq. 7, predictions, mean absolute errors, parity data
``train``, ``training``      the task ``potential.train`` and its resumable loop
``evaluate``, ``dft_check``  the task ``potential.evaluate`` and the figures of the paper's Table 5
``calculators``              ASE calculators by name: ``m3gnet``, ``chgnet``, ``edip``, ``gap``, those of plug-ins
``lammps``                   atoms in a LAMMPS of this process, and the ASE calculator on top of it
``lammps_potentials``        the potentials that LAMMPS computes, by name or by file
``lammps_library``           where LAMMPS, its MPI and its files are
``lammps_cell``              any cell in LAMMPS's form, and back
``gap``                      Gaussian approximation potentials through quippy
``relax``, ``relaxation``    the task ``relax`` and the relaxation of one structure
============================ ==================================================================

Units: Å, eV, eV/Å; stress in GPa, 3×3, compressive negative.
"""
