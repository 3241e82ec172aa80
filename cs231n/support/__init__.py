"""Given: what all the rest stands on."""
