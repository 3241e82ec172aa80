"""Behind python -m cs231n.update."""
