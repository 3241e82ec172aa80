"""Behind python -m cs231n.datasets."""
