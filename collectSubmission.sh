#!/usr/bin/env bash
# Make assignment3.zip, ready to hand in: as python -m cs231n.submission does, from any folder.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

for python in .venv/bin/python .venv/Scripts/python.exe python3 python; do
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
    # Not -m: a scratch file such as types.py would then come before Python's own.
    exec "$python" -P -c 'import sys
sys.path.insert(0, ".")
from cs231n.support import commands
commands.clear_the_way(".")
from cs231n import submission
commands.run(submission.main)' "$@"
  fi
done
echo "No Python 3.11 or newer was found; install one, or activate your environment." >&2
exit 1
