#!/usr/bin/env bash
# The name that old instructions know; matplotlib no longer needs a launcher of its own.
set -euo pipefail
cd "$(dirname "$0")"

for python in .venv/bin/python python3 python; do
  if "$python" -c 'import jupyterlab' >/dev/null 2>&1; then
    exec "$python" -m jupyter lab "$@"
  fi
done
echo "No Python with JupyterLab was found; install what README.md says." >&2
exit 1
