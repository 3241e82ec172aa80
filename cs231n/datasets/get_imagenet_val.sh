#!/usr/bin/env bash
# Fetches imagenet_val_25.npz.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/get.sh" imagenet_val "$@"
