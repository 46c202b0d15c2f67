"""Curve fits side by side, one file a library: the same model, data and starts for all.

Each module with_NAME has ``engines(curves)``: by name, a call without arguments that fits all curves and returns
parameters (m, d) and evaluations of the model (m,), NaN where they are not told. It is empty where the library has no
such model. Names that differ in what stands in brackets are one engine, built in several ways. A module whose library
is missing raises ModuleNotFoundError, at its import or from `engines`.
"""
