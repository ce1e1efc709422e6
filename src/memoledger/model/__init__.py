"""Frozen values, ids, states, limits and errors. This package imports nothing else of ours."""
