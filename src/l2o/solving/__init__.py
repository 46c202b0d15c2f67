"""Minimising and recording runs: minimize, minimize_many, rollout, tune."""
