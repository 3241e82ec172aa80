"""Behind python -m cs231n.check: what is done, wrong, not started."""
