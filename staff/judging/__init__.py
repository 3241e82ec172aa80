"""What check, tests and notebooks say of a tree with changes made to it."""
