"""Yours, for no points: extensions of the questions."""
