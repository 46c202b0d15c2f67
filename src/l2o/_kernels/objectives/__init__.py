"""Objective functions: value, gradient and Hessian of the families that ship."""
