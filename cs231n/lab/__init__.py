"""Given: what the notebooks use on top of the questions."""
