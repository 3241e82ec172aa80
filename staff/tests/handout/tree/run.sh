#!/usr/bin/env bash
# No markers in here.
set -euo pipefail
echo tiny
