"""Cells that run far away without a magic of their own: by `%gpu use`, or by a tag of the cell."""
