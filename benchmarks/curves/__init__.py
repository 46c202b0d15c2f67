"""Curve fits: beside other libraries, with outliers, learning inside the batch."""
