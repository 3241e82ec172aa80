"""Tuned answers written plainly, to read beside them and to test them against."""
