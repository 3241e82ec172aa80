#!/usr/bin/env bash
# Fetches pretrained_model.h5.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/get.sh" pretrained_model "$@"
