"""Staff time things here."""
