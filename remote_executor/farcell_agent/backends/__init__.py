"""How workers are started: one module per way, all keeping to `base`."""
