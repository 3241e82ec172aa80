#!/usr/bin/env bash
# Fetches coco_captioning/.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/get.sh" coco_captioning "$@"
