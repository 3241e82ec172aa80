"""What stands in for a download."""
