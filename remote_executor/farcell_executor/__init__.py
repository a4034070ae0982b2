"""The service that decides and records: API, runs, scheduling, run log, store. Never runs a user's bytes."""
