"""The words both sides speak: ids, messages, frames, errors, and the bytes they become.

Imports nothing of ours and does no input or output; `docs/protocol.md` is the authority it follows.
"""
