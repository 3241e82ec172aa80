#!/usr/bin/env bash
# Fetches squeezenet_tf2/squeezenet.ckpt, which SqueezeNet in TensorFlow looks for.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/get.sh" squeezenet_tf "$@"
