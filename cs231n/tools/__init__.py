"""Machinery behind the commands; nothing that an exercise needs."""
