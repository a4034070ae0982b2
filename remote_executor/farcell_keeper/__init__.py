"""The small process that must not die: it owns the workers, their sockets, their exits and their output.

Exec'd by an agent into a session of its own; executor and agent are clients that may be killed and
started again at any moment. One loop, no threads, nothing but the standard library and msgspec.
"""
