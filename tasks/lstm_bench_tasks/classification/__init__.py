"""Sequences to labels."""
