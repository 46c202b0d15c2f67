"""Curves: data and parameters of many least-squares fits, and what came of them."""
