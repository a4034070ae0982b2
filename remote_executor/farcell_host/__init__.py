"""What the programs of one machine share: its files, locks, sockets and processes.

Imports the protocol and nothing else of ours, and knows nothing of runs and sessions.
"""
