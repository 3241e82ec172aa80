"""Grading: from what students hand in to verdicts, records and pages."""
