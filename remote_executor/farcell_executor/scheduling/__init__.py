"""What starts where, what waits, what is stopped or lost: decided in plain code. Begin with `machine.py`."""
