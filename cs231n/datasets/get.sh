#!/usr/bin/env bash
# What the classic get_*.sh beside it have in common: run from anywhere, fetch by name.
# On Windows: python -m cs231n.datasets get NAME
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
for python in "${PYTHON:-}" "${VIRTUAL_ENV:+python}" .venv/bin/python .venv/Scripts/python python3 python; do
  if [ -n "$python" ] && command -v "$python" >/dev/null 2>&1; then
    exec "$python" -m cs231n.datasets get "$@"
  fi
done
echo "No Python was found; install Python 3.11 or newer, or name yours in PYTHON." >&2
exit 127
