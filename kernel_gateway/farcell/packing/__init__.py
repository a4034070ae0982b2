"""Values to bytes: what travels, what does not, and why."""
