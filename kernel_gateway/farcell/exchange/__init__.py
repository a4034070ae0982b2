"""What is known here and there: sessions, the ledger of each, and values coming home."""
