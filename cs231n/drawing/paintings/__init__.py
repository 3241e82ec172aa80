"""Paintings, as sources of style."""
