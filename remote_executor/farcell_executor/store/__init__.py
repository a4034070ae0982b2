"""Where the nouns are kept: the contract in `base.py`, and the stores that fulfil it."""
