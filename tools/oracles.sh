#!/bin/sh
# The oracles: what we write and compute, beside PyTorch, transformers,
# safetensors and tokenizers (tests/requirements.txt, in .venv/).
#
#   BUILD=build sh tools/oracles.sh
set -u
BUILD=${BUILD:-build}
python=.venv/bin/python
export CUDA_VISIBLE_DEVICES= HF_HUB_OFFLINE=1
samples=$BUILD/oracle/tokenizers
mkdir -p "$samples"
tokenizers() {
    "$BUILD/tests/test_tokenizer" --samples "$samples" &&
    $python tests/oracle_tokenizers.py "$samples" || return 1
    for saved in "$samples"/*.saved; do
        "$BUILD/tests/test_tokenizer" --read "$saved" || return 1
    done
}
wrong=0
$python tests/oracle_adamw.py "$BUILD" || wrong=1
$python tests/oracle_model.py "$BUILD" || wrong=1
tokenizers || wrong=1
exit $wrong
