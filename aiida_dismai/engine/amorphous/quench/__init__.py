"""Melt and quench: amorphous structures by molecular dynamics.

=============== ===========================================================================
``parameters``  of the task ``amorphous.quench``
``estimate``    what it will cost, before anything runs
``start``       random atoms that do not overlap, and their velocities
``dynamics``    molecular dynamics in pieces, by LAMMPS or by any ASE calculator
``course``      melt, quench, minimise: one attempt, which can be stopped and resumed
``run``         the task
=============== ===========================================================================
"""
