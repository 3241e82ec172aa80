#!/usr/bin/env bash
# The name that old instructions know; matplotlib no longer needs a launcher of its own.
set -euo pipefail
cd "$(dirname "$0")"
exec python -m jupyter lab "$@"
