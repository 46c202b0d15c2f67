"""A short table that a person reads: as text in a terminal, as HTML in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

__all__ = ["QUANTILES", "Table", "named", "spread"]

QUANTILES = {"median": 0.5, "5 %": 0.05, "95 %": 0.95}


class Table(NamedTuple):
    """Rows of cells under heads, with lines of text before and after.

    Attributes
    ----------
    title : str
        What it is about.
    heads : tuple of str
        Of the columns after the first, which has none.
    rows : list of (str, list of str)
        The name of each row, and its cells.
    notes : list of str
        Lines that follow.
    """

    title: str
    heads: tuple[str, ...]
    rows: list[tuple[str, list[str]]]
    notes: list[str]

    def text(self) -> str:
        """Return it as lines of text."""
        if not self.rows:
            return "\n".join([self.title, *self.notes])
        first = max(len(name) for name, _ in self.rows)
        widths = [max(len(cell) for cell in column) for column in zip(self.heads, *(cells for _, cells in self.rows))]
        lines = [self._line("", self.heads, first, widths)]
        lines += [self._line(name, cells, first, widths) for name, cells in self.rows]
        return "\n".join([self.title, *lines, *self.notes])

    def html(self) -> str:
        """Return it as HTML."""
        head = "".join(f"<th>{escape(each)}</th>" for each in ("", *self.heads))
        body = "".join(f"<tr><th>{escape(name)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
                       for name, cells in self.rows)
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return (f"<p>{escape(self.title)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}")

    @staticmethod
    def _line(name: str, cells: Iterable[str], first: int, widths: list[int]) -> str:
        return "  ".join([f"{name:{first}}", *(f"{cell:>{width}}" for cell, width in zip(cells, widths))]).rstrip()


def named(names: Sequence[str] | None, d: int, pattern: str, what: str) -> list[str]:
    """Return the names of d variables or parameters; without any, those that the pattern makes of their numbers.

    Raises
    ------
    ValueError
        If there is not one for each.
    """
    names = [pattern.format(j) for j in range(d)] if names is None else [str(name) for name in names]
    if len(names) != d:
        raise ValueError(f"names has {len(names)} entries; expected {d}, one for each {what}")
    return names


def spread(values: np.ndarray, digits: int = 6) -> list[str]:
    """Return the median, the 5 % and the 95 % point of values (m,) as cells of some digits; NaN is left out."""
    known = values[~np.isnan(values)]
    if not len(known):
        return ["nan"] * len(QUANTILES)
    return [f"{value:.{digits}g}" for value in np.quantile(known, list(QUANTILES.values()))]
