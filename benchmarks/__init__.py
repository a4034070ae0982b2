"""Benchmarks: each a module run as `python -m benchmarks.NAME --json`, one JSON line per comparison.

Ours and the peer are interleaved in one run, and the ratio of their medians is what counts:
absolute times differ from run to run and from machine to machine.
"""
