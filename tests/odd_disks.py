"""Disks that do not do all that one expects of a disk, acted out."""

import os


def refuse_modes_and_syncs(monkeypatch, code):
    """Refuse permissions and syncing with an error; return a list of what was asked."""
    asked = []

    def refusing(name):
        def refuse(*args, **kwargs):
            del args, kwargs
            asked.append(name)
            raise OSError(code, os.strerror(code))

        return refuse

    for name in ("chmod", "fsync"):
        monkeypatch.setattr(os, name, refusing(name))
    return asked
