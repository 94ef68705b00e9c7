"""How much a series of a Markov chain is worth: correlation time, blocked errors, agreement between runs.

All functions take series of equal length from independent runs, ``(runs, steps, …)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: The window of the correlation function ends at so many correlation times (Sokal, 1997).
WINDOW = 5.0
#: With fewer blocks the error of a blocked error is above a quarter.
MIN_BLOCKS = 8


def autocorrelation_time(series: NDArray[np.float64]) -> float | None:
    """Return the integrated autocorrelation time ``1 + 2 Σ ρ(t)``, in steps: steps per independent value.

    The sum ends at the first t that is at least five times the result so far (self-consistent window). Deviations are
    from the mean of all runs, so that runs that have not met make it longer.

    Returns:
        1 or more (anticorrelated series count as uncorrelated), None for series that do not change or are too short.
    """
    runs, steps = series.shape
    if steps < 2:
        return None
    deviations = series - series.mean()
    variance = float((deviations**2).mean())
    if variance <= (1e-12 * float(np.abs(series).max())) ** 2:
        return None
    # correlation by Fourier transform, padded so that the end does not meet the start
    size = 1 << (2 * steps - 1).bit_length()
    total = np.zeros(steps)
    for row in deviations:
        power = np.abs(np.fft.rfft(row, size)) ** 2
        total += np.fft.irfft(power, size)[:steps]
    rho = total / (runs * np.arange(steps, 0, -1)) / variance
    times = 2 * np.cumsum(rho) - 1
    inside = np.flatnonzero(np.arange(steps) >= WINDOW * times)
    chosen = int(inside[0]) if len(inside) else steps - 1
    return max(1.0, float(times[chosen]))


def blocked_error(series: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the standard error of the mean over all runs and steps, by blocking (Flyvbjerg and Petersen, 1989).

    Blocks double in length until ``B³ > 2 n s⁴``, n being the steps of a run and s the factor by which the error
    has grown since B = 1 (Lee and others, Phys. Rev. E 83, 066706, 2011), as long as eight blocks are left; where runs
    are too short for that, the error is a lower bound.

    Args:
        series: ``(runs, steps, …)``; each component by itself.

    Returns:
        ``(…)``, None when there are fewer than eight values.
    """
    runs, steps = series.shape[:2]
    if runs * steps < MIN_BLOCKS:
        return None
    mean = series.mean(axis=(0, 1))
    shape = series.shape[2:]
    error, naive = np.zeros(shape), np.zeros(shape)
    settled = np.zeros(shape, dtype=bool)
    blocks, length = series, 1
    while True:
        count = runs * blocks.shape[1]
        now = np.sqrt(((blocks - mean) ** 2).sum(axis=(0, 1)) / count / (count - 1))
        if length == 1:
            naive = now
        error = np.where(settled, error, np.maximum(error, now))
        ratio = np.divide(now, naive, out=np.ones(shape), where=naive > 0)
        settled |= length**3 > 2 * steps * ratio**4
        half = blocks.shape[1] // 2
        if settled.all() or runs * half < MIN_BLOCKS or half == 0:
            return error
        blocks = (blocks[:, 0 : 2 * half : 2] + blocks[:, 1 : 2 * half : 2]) / 2
        length *= 2


def split_r_hat(series: NDArray[np.float64]) -> float | None:
    """Return the potential scale reduction of the halves of all runs (Gelman and others, Bayesian Data Analysis, 2013).

    1 when all halves have the same mean; above 1.1 the runs, or the beginning and the end of a run, differ.

    Returns:
        None where it is not defined: fewer than four steps, or halves in which nothing changes.
    """
    _, steps = series.shape
    half = steps // 2
    if half < 2:
        return None
    halves = np.concatenate([series[:, :half], series[:, steps - half :]])
    within = float(halves.var(axis=1, ddof=1).mean())
    between = half * float(halves.mean(axis=1).var(ddof=1))
    if within <= (1e-12 * float(np.abs(series).max())) ** 2:
        return None
    return float(np.sqrt((half - 1) / half + between / within / half))
