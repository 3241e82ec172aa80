"""Behind python -m cs231n.submission."""
