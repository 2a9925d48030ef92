"""Texts, one symbol after the other."""
