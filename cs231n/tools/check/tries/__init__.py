"""How each function is tried out."""
