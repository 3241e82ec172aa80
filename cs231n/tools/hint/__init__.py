"""Behind python -m cs231n.hint."""
