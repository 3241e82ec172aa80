"""Compiled convolution, pooling and layers, with NumPy beside them."""
