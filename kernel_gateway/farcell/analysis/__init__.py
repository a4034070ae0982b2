"""What a cell needs: names from its source, then what those names reach in the live namespace."""
