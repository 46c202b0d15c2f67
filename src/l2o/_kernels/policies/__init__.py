"""Policies: from what a run has seen to its next point."""
