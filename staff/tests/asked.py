"""What is asked of students, as far as these tests try it out: all but TensorFlow's.

Tests of that run in a process of their own: see ``test_*_tensorflow.py``.
"""

from cs231n.assignment.table import questions

QUESTIONS = tuple(q for q in questions() if q.framework != "tensorflow")
FUNCTIONS = {f.key: f for q in QUESTIONS for f in q.functions}
