"""Make what students get, and check it."""
