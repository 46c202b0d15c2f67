"""
Rolling betas of industries
===========================

Betas of US industries on three factors, for every 60 months in a row. In least squares one wild month can decide five
years of betas. In the Geman-McClure loss r^2 / (1 + r^2), with r in standard deviations of the window's residuals,
such a month hardly counts. This loss is not convex. Each window starts at its least squares, and where two readings
of the months fit about equally well, the betas jump from one to the other. ::

    pip install 'l2o[plot,examples]'
    python rolling_betas.py [--portfolios Utils Money] [--months 60] [--out rolling-betas.png]
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np
from linearmodels.datasets import french
from numpy.lib.stride_tricks import sliding_window_view

import l2o

FACTORS = ["MktRF", "SMB", "HML"]
ROWS = ["market beta", "size beta (SMB)", "value beta (HML)", "alpha, % a month"]
RECESSIONS = [("1953-07", "1954-05"), ("1957-08", "1958-04"), ("1960-04", "1961-02"), ("1969-12", "1970-11"),
              ("1973-11", "1975-03"), ("1980-01", "1980-07"), ("1981-07", "1982-11"), ("1990-07", "1991-03"),
              ("2001-03", "2001-11"), ("2007-12", "2009-06")]  # NBER, peak to trough


def rolling_betas(returns, factors, months):
    """Return least-squares and robust coefficients, (portfolios, windows, 4): betas, and alpha a month.

    returns (T, portfolios) are in excess of the riskless rate, factors (T, 3).
    """
    y = sliding_window_view(returns, months, axis=0).swapaxes(0, 1)  # (portfolios, windows, months)
    X = sliding_window_view(factors, months, axis=0).swapaxes(1, 2)  # (windows, months, 3)
    design = np.concatenate([X, np.ones((*X.shape[:2], 1))], axis=2)
    least_squares = np.einsum("wdn,pwn->pwd", np.linalg.pinv(design), y)
    residuals = y - np.einsum("wnd,pwd->pwn", design, least_squares)
    scale = np.sqrt((residuals**2).sum(axis=2) / (months - 4))

    # in units of the residuals betas stay what they are, and alpha is divided by the scale
    start = least_squares.copy()
    start[..., 3] /= scale
    problems = l2o.families.RobustRegression().from_data(
        (X / scale[..., None, None]).reshape(-1, months, 3), (y / scale[..., None]).reshape(-1, months),
        x0=start.reshape(-1, 4))
    fits = l2o.minimize_many(problems, ordered=True)  # each window is like the one before
    robust = fits.x.reshape(start.shape).copy()
    robust[..., 3] *= scale
    return least_squares, robust, fits


def plot(ends, portfolios, least_squares, robust, months):
    """Draw betas and alpha against the last month of the window, a column for each portfolio."""
    figure, grid = plt.subplots(len(ROWS), len(portfolios), figsize=(1.5 + 4.5 * len(portfolios), 8.5), sharex=True,
                                sharey="row", squeeze=False, layout="constrained")
    for column, name in enumerate(portfolios):
        for row, label in enumerate(ROWS):
            axes, unit = grid[row, column], 100 if row == 3 else 1
            for peak, trough in RECESSIONS:
                axes.axvspan(np.datetime64(peak), np.datetime64(trough), color="0.88", linewidth=0)
            axes.axhline(1 if row == 0 else 0, color="0.6", linewidth=0.7)
            axes.plot(ends, unit * least_squares[column, :, row], color="tab:orange", linewidth=1,
                      label="least squares")
            axes.plot(ends, unit * robust[column, :, row], color="tab:blue", linewidth=1.2, label="robust")
            axes.margins(x=0)
            if column == 0:
                axes.set_ylabel(label)
        grid[0, column].set_title(name)
        grid[-1, column].set_xlabel(f"last month of the {months}-month window")
    grid[0, 0].legend(loc="upper left", fontsize="small", frameon=False)
    figure.suptitle("Three-factor betas of US industries; NBER recessions in grey", fontsize="medium")
    return figure


def main(arguments=None):
    """Fit, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portfolios", nargs="+", default=["Utils", "Money"])
    parser.add_argument("--months", type=int, default=60)
    parser.add_argument("--out", help="write the figure there instead of showing it")
    given = parser.parse_args(arguments)
    table = french.load().set_index("dates")
    excess = table[given.portfolios].sub(table["RF"], axis=0)
    least_squares, robust, fits = rolling_betas(excess.to_numpy(), table[FACTORS].to_numpy(), given.months)
    ends = table.index[given.months - 1 :]
    for name, first, second in zip(given.portfolios, least_squares, robust):
        i = np.abs(first[:, 0] - second[:, 0]).argmax()
        print(f"{name}: {len(first)} windows; market beta to {ends[i]:%Y-%m} {first[i, 0]:.2f} by least squares, "
              f"{second[i, 0]:.2f} robust")
    print(f"{fits.success.mean():.0%} converged, {fits.nfev.mean():.1f} evaluations each")
    figure = plot(ends, given.portfolios, least_squares, robust, given.months)
    if given.out:
        figure.savefig(given.out, dpi=130)
    else:
        plt.show()


if __name__ == "__main__":
    main()

# %%
# :doc:`/rolling-betas` compares SciPy, compiled methods and trained policies on 22,800 such windows.
