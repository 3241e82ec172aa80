"""Captioned photos of your own: read annotations, find photos, split, choose words."""
