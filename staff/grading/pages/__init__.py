"""Pages of a grading: one for each student, one for each grader, one for the class."""
