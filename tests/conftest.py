"""Fixtures only, short."""
