"""dipy: least squares of diffusion tensors, a loop over MINPACK with the Jacobian, which decomposes each tensor."""

import numpy as np
from dipy.reconst.dti import nlls_fit_tensor

__all__ = ["LIBRARY", "engines"]

LIBRARY = "dipy"
THEIRS = [1, 2, 4, 3, 5, 6]  # their order of the entries: xx, xy, yy, xz, yz, zz


def engines(curves):
    """Return what fits the curves, by name: tensors alone."""
    if curves.name != "tensor":
        return {}
    unit = 1000.0  # of diffusivities: theirs are in mm^2 / s
    design = np.column_stack([unit * curves.t[:, np.subtract(THEIRS, 1)], -np.ones(len(curves.t))])
    start = np.column_stack([curves.p0[:, THEIRS] / unit, -curves.p0[:, 0]])

    def call():
        theirs, _ = nlls_fit_tensor(design, curves.Y, init_params=start, return_lower_triangular=True)
        x = np.empty_like(theirs)
        x[:, 0], x[:, THEIRS] = -theirs[:, 6], unit * theirs[:, :6]
        return x, np.full(len(x), np.nan)  # evaluations are not told

    return {"NLLS of dipy": call}
