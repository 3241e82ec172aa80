"""Attacks of hostile submissions, and the stage on which they are tried out."""
