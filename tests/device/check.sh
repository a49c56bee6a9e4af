#!/usr/bin/env bash
# Everything of the engine that can differ on a graphics card, on a machine with one H100-class GPU, in under 8 minutes:
#   bash tests/device/check.sh            from a checkout, with PYTHON=python3 of an environment that has the engine
#   bash tests/device/check.sh --small    the same on a CPU, tiny: that the script itself works
#   bash tests/device/check.sh --only predict serve
# Needs no network but the embedded models (pada models fetch). Peers that are not installed (trl is; lm-eval, vllm,
# bitsandbytes, flash-attn) are named and left out. Exit code 0: all that ran is as it should be.
set -u
cd "$(dirname "$0")/../.." || exit 1
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
exec timeout --kill-after=10 "${LIMIT:-480}" "${PYTHON:-python3}" -m tests.device.check "$@"
