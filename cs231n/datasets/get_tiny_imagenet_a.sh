#!/usr/bin/env bash
# Fetches tiny-imagenet-100-A/.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/get.sh" tiny_imagenet_a "$@"
