"""Pictures that explain, drawn by code: files of SVG in ``images/``."""
