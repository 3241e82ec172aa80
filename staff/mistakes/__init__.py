"""The bank of mistakes and writings, and what the check knows by them."""
