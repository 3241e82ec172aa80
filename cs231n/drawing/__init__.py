"""Pictures that the project draws, with NumPy and Pillow only."""
