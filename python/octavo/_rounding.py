"""Weights to integers so that errors cancel in the layer's sums.

Rounding to nearest makes each weight's error least. What counts is the error of the sums, whose
expected square for a row of weight errors e and inputs x of covariance C is e' C e. Weights are
rounded one after the other, and each error is made up for by the weights not rounded yet, as far
as their inputs go together:

    w[j+1:] -= e[j] / U[j, j] * U[j, j+1:],   U the upper Cholesky factor of the inverse of C

Weights whose inputs vary most are rounded first.

Source: Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
Transformers", ICLR 2023, arXiv:2210.17323, algorithm 1; the mean of the inputs is left out here,
since the bias is corrected.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 64  # columns between two updates of all that follow
DAMPING = 0.01  # of the mean variance, added to every input's

Reals = NDArray[np.float64]


def round_compensated(
    rows: Reals, scale: Reals, covariance: Reals, limit: int
) -> NDArray[np.float64]:
    """Integers in -limit..limit for rows of weights.

    Parameters
    ----------
    rows : ndarray, shape (groups, n, k)
    scale : ndarray, broadcasts to (groups, n, 1)
    covariance : ndarray, shape (groups, k, k)
        Of the inputs; symmetric, positive semidefinite.
    limit : int

    Returns
    -------
    ndarray, shape (groups, n, k)
    """
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    order = np.argsort(-variance, axis=1, kind="stable")
    factor = _factor(covariance, order)
    w = np.take_along_axis(rows / scale, order[:, np.newaxis], axis=2)
    q = np.empty_like(w)
    k = w.shape[2]
    for start in range(0, k, BLOCK):
        end = min(start + BLOCK, k)
        errors = np.empty((*w.shape[:2], end - start))
        for j in range(start, end):
            q[:, :, j] = np.clip(np.rint(w[:, :, j]), -limit, limit)
            errors[:, :, j - start] = (w[:, :, j] - q[:, :, j]) / factor[:, j, j, np.newaxis]
            spread = errors[:, :, j - start, np.newaxis] * factor[:, np.newaxis, j, j + 1 : end]
            w[:, :, j + 1 : end] -= spread
        w[:, :, end:] -= errors @ factor[:, start:end, end:]
    back = np.argsort(order, axis=1)
    return np.take_along_axis(q, back[:, np.newaxis], axis=2)


def _factor(covariance: Reals, order: NDArray[np.int64]) -> Reals:
    """The upper Cholesky factor of the inverse of each damped covariance, in the given order."""
    permuted = np.take_along_axis(covariance, order[:, :, np.newaxis], axis=1)
    permuted = np.take_along_axis(permuted, order[:, np.newaxis], axis=2)
    k = permuted.shape[1]
    mean = np.diagonal(permuted, axis1=1, axis2=2).mean(axis=1)
    damping = np.where(mean > 0, DAMPING * mean, 1.0)
    inverse = np.linalg.inv(permuted + damping[:, np.newaxis, np.newaxis] * np.eye(k))
    lower = np.linalg.cholesky((inverse + inverse.transpose(0, 2, 1)) / 2)
    return np.asarray(lower.transpose(0, 2, 1))
