"""Sphinx's settings for the documents site; ``python -m staff docs`` calls it."""

import os

from staff.course import course
from staff.site import dressing

project = course().name
version = release = course().term
html_title = f"{project} · {os.environ['CS231N_SITE']}"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
exclude_patterns = []

# Modules in TensorFlow are explained without it: stand-ins are imported instead.
autodoc_mock_imports = ["tensorflow", "keras"]

# Shapes stand in the docstrings, first.
autodoc_typehints = "none"
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = html_show_copyright = html_show_sourcelink = False
html_math_renderer = "mathml"
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"


def setup(app):
    """Let equations be MathML and docstrings' results be lists."""
    dressing.setup(app)
