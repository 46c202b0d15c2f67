"""Loops that minimise: the step loop of policies, descent along lines, their directions."""
