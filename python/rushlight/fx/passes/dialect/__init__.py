"""Passes over the operators of a dialect."""
