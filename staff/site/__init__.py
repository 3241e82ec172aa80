"""The documents site: guides, a reference, derivations and notebooks, offline."""
