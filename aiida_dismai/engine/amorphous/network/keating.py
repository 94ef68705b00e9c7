"""The Keating energy of a network in which every atom has four bonds, and its relaxation; compiled.

    E = 3/16 α/d² Σ_bonds (r² − d²)² + 3/8 β/d² Σ_angles (r₁·r₂ + d²/3)²

(Keating, Phys. Rev. 145, 637 (1966), in the form of Barkema and Mousseau, Phys. Rev. B 62, 4985 (2000)). Bonds come
from a list, never from distances. Every atom is the centre of its six angles and owns half of each of its bonds, so
that a part of the network has an energy of its own: moving some atoms changes what they and their neighbours own.

Arrays of a network of n atoms in a cubic box: ``positions`` (n, 3), Å, which may leave the box; ``bonded`` (n, 4)
atoms; ``images`` (n, 4, 3) lattice translations of those; ``constants`` (3,): 3/32 α/d² (half a bond), 3/8 β/d²,
both eV/Å⁴, and d, Å.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...compiled import helper, inlined, kernel

#: How a relaxation ended.
CONVERGED, TOO_HIGH, UNFINISHED = 0, 1, 2


def constants_of(alpha: float, beta_ratio: float, bond_length: float) -> NDArray[np.float64]:
    """Return the constants of the kernels.

    Args:
        alpha: bond stretching, eV/Å².
        beta_ratio: bond bending β in units of α.
        bond_length: d, Å.
    """
    scale = alpha / bond_length**2
    return np.array([3 / 32 * scale, 3 / 8 * beta_ratio * scale, bond_length])


@inlined
def _load(vectors, atom, positions, bonded, images, box):  # type: ignore[no-untyped-def]
    """Fill ``vectors`` (4, 3) with those from an atom along its bonds."""
    for slot in range(4):
        other = bonded[atom, slot]
        for axis in range(3):
            vectors[slot, axis] = positions[other, axis] + box * images[atom, slot, axis] - positions[atom, axis]


@kernel
def owned_energies(atoms, positions, bonded, images, box, constants, owned):  # type: ignore[no-untyped-def]
    """Write what some atoms own into ``owned`` (n,), eV; return the sum."""
    half, bend, square = constants[0], constants[1], constants[2] * constants[2]
    vectors = np.empty((4, 3))
    total = 0.0
    for atom in atoms:
        _load(vectors, atom, positions, bonded, images, box)
        energy = 0.0
        for a in range(4):
            for b in range(a + 1):
                product = vectors[a, 0] * vectors[b, 0] + vectors[a, 1] * vectors[b, 1] + vectors[a, 2] * vectors[b, 2]
                if a == b:
                    excess = product - square
                    energy += half * excess * excess
                else:
                    excess = product + square / 3
                    energy += bend * excess * excess
        owned[atom] = energy
        total += energy
    return total


@helper
def gradient(atoms, positions, bonded, images, box, constants, slope):  # type: ignore[no-untyped-def]
    """Return the energy that some atoms own, eV; write its gradient into ``slope`` (n, 3), eV/Å.

    Only rows of these atoms and of their neighbours are written.
    """
    half, bend, square = constants[0], constants[1], constants[2] * constants[2]
    for atom in atoms:
        for axis in range(3):
            slope[atom, axis] = 0.0
            for slot in range(4):
                slope[bonded[atom, slot], axis] = 0.0
    vectors = np.empty((4, 3))
    weights = np.empty((4, 4))
    energy = 0.0
    for atom in atoms:
        _load(vectors, atom, positions, bonded, images, box)
        for a in range(4):
            for b in range(a + 1):
                product = vectors[a, 0] * vectors[b, 0] + vectors[a, 1] * vectors[b, 1] + vectors[a, 2] * vectors[b, 2]
                if a == b:
                    excess = product - square
                    energy += half * excess * excess
                    weights[a, a] = 4 * half * excess
                else:
                    excess = product + square / 3
                    energy += bend * excess * excess
                    weights[a, b] = weights[b, a] = 2 * bend * excess
        for a in range(4):
            other = bonded[atom, a]
            for axis in range(3):
                pull = (
                    weights[a, 0] * vectors[0, axis]
                    + weights[a, 1] * vectors[1, axis]
                    + weights[a, 2] * vectors[2, axis]
                    + weights[a, 3] * vectors[3, axis]
                )
                slope[other, axis] += pull
                slope[atom, axis] -= pull
    return energy


@helper
def along_line(atoms, positions, bonded, images, box, constants, direction, quartic):  # type: ignore[no-untyped-def]
    """Fill ``quartic`` (5,) with the polynomial that the owned energy is along a line: E(t) = Σ quartic[p] tᵖ, eV."""
    half, bend, square = constants[0], constants[1], constants[2] * constants[2]
    vectors, changes = np.empty((4, 3)), np.empty((4, 3))
    for power in range(5):
        quartic[power] = 0.0
    for atom in atoms:
        _load(vectors, atom, positions, bonded, images, box)
        for slot in range(4):
            other = bonded[atom, slot]
            for axis in range(3):
                changes[slot, axis] = direction[other, axis] - direction[atom, axis]
        for a in range(4):
            for b in range(a + 1):
                constant = linear = curved = 0.0
                for axis in range(3):
                    constant += vectors[a, axis] * vectors[b, axis]
                    linear += vectors[a, axis] * changes[b, axis] + changes[a, axis] * vectors[b, axis]
                    curved += changes[a, axis] * changes[b, axis]
                weight = half if a == b else bend
                constant += -square if a == b else square / 3
                quartic[0] += weight * constant * constant
                quartic[1] += weight * 2 * constant * linear
                quartic[2] += weight * (linear * linear + 2 * constant * curved)
                quartic[3] += weight * 2 * linear * curved
                quartic[4] += weight * curved * curved


@helper
def lowest_on_line(quartic):  # type: ignore[no-untyped-def]
    """Return a minimum of a quartic for t > 0; its slope at 0 must be negative, its leading coefficient not."""
    c1, c2, c3, c4 = quartic[1], 2 * quartic[2], 3 * quartic[3], 4 * quartic[4]
    # bracket the zero of the slope, then Newton's steps kept inside the bracket
    low, high = 0.0, -c1 / max(c2, 1e-12 - c1)
    for _ in range(200):
        if c1 + high * (c2 + high * (c3 + high * c4)) >= 0.0:
            break
        low, high = high, 2 * high
    t = high if low == 0.0 and c2 > 0.0 else 0.5 * (low + high)
    for _ in range(100):
        value = c1 + t * (c2 + t * (c3 + t * c4))
        if value < 0.0:
            low = t
        else:
            high = t
        steepness = c2 + t * (2 * c3 + t * 3 * c4)
        ahead = t - value / steepness if steepness > 0.0 else -1.0
        if not low < ahead < high:
            ahead = 0.5 * (low + high)
        if abs(ahead - t) <= 1e-9 * ahead:
            return ahead
        t = ahead
    return t


@kernel
def relax(movers, owners, positions, bonded, images, box, constants, rest, limits, slope, direction):  # type: ignore[no-untyped-def]
    """Move some atoms to a minimum of the energy, by conjugate gradients with exact minima along lines.

    Args:
        movers: atoms that may move.
        owners: those and their neighbours.
        positions: changed in place.
        bonded: of the network.
        images: of the network.
        box: edge, Å.
        constants: of the network.
        rest: energy of what the other atoms own, eV.
        limits: ``(5,)``: largest sum of the squared forces, (eV/Å)²; steps; steps before the first early rejection;
            energy above which the result is of no use, eV; c of the forecast E − c |F|², Å²/eV (Barkema and Mousseau).
        slope: room (n, 3).
        direction: room (n, 3), all zero, and so left behind.

    Returns:
        The whole energy, eV; the sum of the squared forces on the movers; how it ended; the steps.
    """
    tolerance, most, patience, threshold, forecast = limits
    quartic = np.empty(5)
    energy = rest + gradient(owners, positions, bonded, images, box, constants, slope)
    before, steps, end = 0.0, 0, UNFINISHED
    last = np.empty((movers.shape[0], 3))
    while True:
        force = mixed = 0.0
        for place in range(movers.shape[0]):
            for axis in range(3):
                now = slope[movers[place], axis]
                force += now * now
                if steps:
                    mixed += now * last[place, axis]
                last[place, axis] = now
        if steps >= patience and energy - forecast * force > threshold:
            end = TOO_HIGH
            break
        if force <= tolerance:
            end = CONVERGED
            break
        if steps >= most:
            break
        # Polak and Ribière's mixing; where it turns negative, begin again downhill
        mixing = max(0.0, (force - mixed) / before) if steps else 0.0
        downhill = 0.0
        for atom in movers:
            for axis in range(3):
                direction[atom, axis] = mixing * direction[atom, axis] - slope[atom, axis]
                downhill += direction[atom, axis] * slope[atom, axis]
        if downhill >= 0.0:
            for atom in movers:
                for axis in range(3):
                    direction[atom, axis] = -slope[atom, axis]
        along_line(owners, positions, bonded, images, box, constants, direction, quartic)
        t = lowest_on_line(quartic)
        for atom in movers:
            for axis in range(3):
                positions[atom, axis] += t * direction[atom, axis]
        energy = rest + gradient(owners, positions, bonded, images, box, constants, slope)
        before = force
        steps += 1
    for atom in movers:
        for axis in range(3):
            direction[atom, axis] = 0.0
    return energy, force, end, steps


@kernel
def best_scale(positions, bonded, images, box, constants):  # type: ignore[no-untyped-def]
    """Return the factor on box and positions that minimises the energy.

    Every term is (s² p − p₀)² with its scalar product p, so the best s² is a quotient of sums.
    """
    half, bend, square = constants[0], constants[1], constants[2] * constants[2]
    vectors = np.empty((4, 3))
    above = below = 0.0
    for atom in range(positions.shape[0]):
        _load(vectors, atom, positions, bonded, images, box)
        for a in range(4):
            for b in range(a + 1):
                product = vectors[a, 0] * vectors[b, 0] + vectors[a, 1] * vectors[b, 1] + vectors[a, 2] * vectors[b, 2]
                if a == b:
                    above += half * product * square
                    below += half * product * product
                else:
                    above += bend * product * (-square / 3)
                    below += bend * product * product
    return math.sqrt(above / below)
