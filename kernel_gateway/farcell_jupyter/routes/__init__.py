"""Thin REST for the browser, one file per noun: checked here, answered by the executor."""
