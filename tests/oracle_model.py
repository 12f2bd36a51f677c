"""Models that we write, in Hugging Face's transformers: they load without a
missing or an unexpected weight, and give our logits.

    python tests/oracle_model.py BUILD
"""

import pathlib
import subprocess
import sys

import torch
from safetensors.torch import load_file
from transformers import (AutoTokenizer, GPT2LMHeadModel, LlamaForCausalLM,
                          NanoChatForCausalLM)

BOUND = 1e-5                      # of max |a - b| / max |b|, float32
build = pathlib.Path(sys.argv[1])
passed = failed = 0


def check(fine, what):
    global passed, failed
    if fine:
        passed += 1
    else:
        failed += 1
        print("failed:", what)


def compare(kind, architecture, weights="f32", dtype=torch.float32):
    directory = build / "oracle" / f"{kind}-{weights}"
    directory.mkdir(parents=True, exist_ok=True)
    lines = subprocess.run([build / "tests/tool_model", kind, directory,
                            weights], capture_output=True, text=True,
                           check=True)
    rows = [line.split() for line in lines.stdout.splitlines()]
    tokens = torch.tensor([[int(row[0]) for row in rows]])
    ours = torch.tensor([[float(x) for x in row[1:]] for row in rows])

    tensors = load_file(directory / "model.safetensors")
    check(len(tensors) > 10, f"{kind}: safetensors reads the weights")
    check(all(x.dtype == dtype for x in tensors.values()),
          f"{kind}: {weights}")
    model, info = architecture.from_pretrained(
        directory, output_loading_info=True, attn_implementation="eager",
        dtype=torch.float32)
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        check(not info[what], f"{kind}: {what}: {info[what]}")
    with torch.no_grad():
        theirs = model.eval()(tokens).logits[0]
    apart = float((ours - theirs).abs().max() / theirs.abs().max())
    print(f"{kind} {weights}: logits of {len(rows)} tokens: max|a-b|/max|b| {apart:.1e}")
    check(apart <= BOUND, f"{kind}: logits within {BOUND}")
    tokenizer = AutoTokenizer.from_pretrained(directory)
    check(tokenizer("cab")["input_ids"] == [2, 0, 1], f"{kind}: its ids")
    check(tokenizer.decode([2, 0, 1]) == "cab", f"{kind}: its text")
    check(tokenizer.eos_token_id == tokenizer.bos_token_id == 16 ==
          len(tokenizer) - 1, f"{kind}: what ends documents")


torch.set_num_threads(1)
compare("gpt2", GPT2LMHeadModel)
compare("llama", LlamaForCausalLM)
compare("nanochat", NanoChatForCausalLM)
compare("gpt2", GPT2LMHeadModel, "f16", torch.float16)
compare("nanochat", NanoChatForCausalLM, "bf16", torch.bfloat16)
print(f"{'oracle_model':28} {passed} passed, {failed} failed")
sys.exit(failed != 0)
