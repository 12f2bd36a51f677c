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
# Real tokenizers' files, where they are, against the field's libraries; and
# the tables of Unicode, made again.
vocabularies() {
    python=.venv/tokenizers/bin/python
    $python tools/unicode_tables.py |
        cmp - src/tokenizer/unicode_data.inc.h || return 1
    data=${LONGHAND_TEST_DATA:-../shared/data}
    if [ ! -d "$data/tokenizers" ]; then
        echo "SKIPPED: vocabularies: no $data/tokenizers"
        return 0
    fi
    $python tests/oracle_vocabularies.py "$BUILD" "$data" \
        "${LH_STRINGS:-1000000}"
}
wrong=0
$python tests/oracle_adamw.py "$BUILD" || wrong=1
$python tests/oracle_model.py "$BUILD" || wrong=1
$python tests/oracle_eval.py "$BUILD" || wrong=1
tokenizers || wrong=1
vocabularies || wrong=1
exit $wrong
