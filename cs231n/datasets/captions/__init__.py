"""Captioned data sets of your own: built from photos and annotations, chosen by name."""
