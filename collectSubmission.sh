#!/usr/bin/env bash
# Make assignment3.zip, ready to hand in: python -m cs231n.submission, from any folder.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

for python in .venv/bin/python .venv/Scripts/python.exe python3 python; do
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
    exec "$python" -m cs231n.submission "$@"
  fi
done
echo "No Python 3.11 or newer was found; install one, or activate your environment." >&2
exit 1
