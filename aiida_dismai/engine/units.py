"""Units and constants: CODATA 2018, in which the charge of the electron, k and N_A are exact.

Energies are in eV, lengths in Å, stresses in GPa, temperatures in K. ASE's own constants are those of CODATA 2014; the
two sets differ from the eighth or ninth digit on. Imports nothing.
"""

from __future__ import annotations

_CHARGE = 1.602176634e-19  # C
_AVOGADRO = 6.02214076e23  # 1/mol
_DALTON = 1.66053906660e-27  # kg

#: Boltzmann's constant, eV/K.
BOLTZMANN = 1.380649e-23 / _CHARGE
#: Atomic unit of energy, eV.
HARTREE = 27.211386245988
#: Atomic unit of length, Å.
BOHR = 0.529177210903
#: e²/(4 π ε₀), eV Å.
COULOMB = HARTREE * BOHR
#: 1 kJ/mol, eV; the calorie is the thermochemical one.
KJ_PER_MOL = 1000 / (_AVOGADRO * _CHARGE)
KCAL_PER_MOL = 4.184 * KJ_PER_MOL
#: 1 eV/Å³, GPa.
EV_PER_A3_IN_GPA = 160.2176634
#: 1 eV/Å³, kbar.
EV_PER_A3_IN_KBAR = 1602.176634
#: 1 eV/Å², J/m².
EV_PER_A2_IN_J_PER_M2 = 16.02176634
#: 1 u/Å³, g/cm³.
U_PER_A3_IN_G_PER_CM3 = 1.66053906660
#: 1 eV, u Å²/ps²: the unit of energy of dynamics in u, Å and ps.
EV_IN_U_A2_PER_PS2 = 1e-4 * _CHARGE / _DALTON
