"""Run the notebooks and report on them."""
