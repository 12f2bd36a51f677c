"""Evaluation beside transformers: a model that we train is loaded there with
its tokenizer, and scored by docs/eval.md, written again.

    python tests/oracle_eval.py BUILD
"""

import json
import math
import pathlib
import shutil
import subprocess
import sys

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

build = pathlib.Path(sys.argv[1])
longhand = build / "longhand"
room = build / "oracle" / "eval"
passed = failed = 0


def check(fine, what):
    global passed, failed
    if fine:
        passed += 1
    else:
        failed += 1
        print("failed:", what)


def run(*words):
    made = subprocess.run([longhand, *words], capture_output=True, text=True,
                          check=True)
    return [json.loads(line) for line in made.stdout.splitlines()]


def losses(model, rows, targets):
    with torch.no_grad():
        logits = model(torch.tensor([rows])).logits[0].double()
    return torch.nn.functional.cross_entropy(
        logits, torch.tensor(targets), reduction="none").tolist()


def score(model, ids, border):
    """Nats of a document's text, and of its end."""
    rows, targets = [border] + ids, ids + [border]
    context, all_of_it = model.config.max_position_embeddings, []
    for at in range(0, len(rows), context):
        all_of_it += losses(model, rows[at:at + context],
                            targets[at:at + context])
    return sum(all_of_it[:-1]), all_of_it[-1]


def choose(model, tokenizer, border, item):
    picks = []
    for choice in item["choices"]:
        text = item["prompt"] + " " + choice
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        before = len(tokenizer.encode(item["prompt"],
                                      add_special_tokens=False).ids)
        cut = max(0, len(ids) - model.config.max_position_embeddings)
        nats = losses(model, ([border] + ids[:-1])[cut:], ids[cut:])
        nats = nats[max(0, before - cut):]
        picks.append((sum(nats), sum(nats) / len(choice.encode())))
    return [min(range(len(picks)), key=lambda i: picks[i][j])
            for j in range(2)]


def compare(name, *options):
    out, text = room / name, room / "text"
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run([longhand, "train", text, "--documents", "lines", "--out",
                    out, "--count", "0", "--quiet", *options], check=True)
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    border = json.loads((out / "config.json").read_text())["bos_token_id"]
    lines = text.read_text().splitlines()
    nats = ends = tokens = 0
    each = []
    for line in lines:
        ids = tokenizer.encode(line, add_special_tokens=False).ids
        here, end = score(model.eval(), ids, border)
        each.append(here)
        nats, ends, tokens = nats + here, ends + end, tokens + len(ids)
    size = sum(len(line.encode()) for line in lines)
    *rows, more, last = run("eval", out, text, "--documents", "lines",
                            "--each", "--json")
    near = lambda a, b: abs(a - b) <= 1e-5 * abs(b)
    check(last["tokens"] == tokens and last["bytes"] == size, f"{name}: counts")
    check(near(last["loss"], nats / tokens), f"{name}: loss")
    check(near(last["perplexity"], math.exp(nats / tokens)), f"{name}: ppl")
    check(near(last["bits_per_byte"], nats / math.log(2) / size),
          f"{name}: bits per byte")
    check(near(more["loss_with_ends"], (nats + ends) / (tokens + len(lines))),
          f"{name}: loss with ends")
    for row, here in zip(rows, each):
        check(near(row["loss"] * row["tokens"], here), f"{name}: {row}")

    items = [{"prompt": f"number {i} of the", "choices":
              ["stones", "stone and a tree", "tr"], "answer": i % 3}
             for i in range(20)]
    (room / "choices").write_text("".join(json.dumps(i) + "\n" for i in items))
    *rows, total = run("eval", out, "--choices", room / "choices", "--each",
                       "--json")
    right = [0, 0]
    for item, row in zip(items, rows):
        picks = choose(model, tokenizer, border, item)
        check(picks == [row["plain"], row["normalized"]], f"{name}: {row}")
        right = [r + (p == item["answer"]) for r, p in zip(right, picks)]
    check(total == {"items": 20, "accuracy": right[0] / 20,
                    "accuracy_normalized": right[1] / 20}, f"{name}: {total}")
    print(f"{name}: {last}")


torch.set_num_threads(1)
room.mkdir(parents=True, exist_ok=True)
(room / "text").write_text("".join(
    f"number {i} of the stone, and {i * i} of a caf\u00e9 by the tree\n"
    for i in range(60)))
small = ["--steps", "60", "--layers", "2", "--width", "32", "--heads", "4",
         "--context", "24", "--batch", "4", "--micro-batch", "4"]
subprocess.run([longhand, "tokenizer", "train", room / "text", "--vocab", "300",
                "--out", room / "pairs.json", "--quiet"], check=True)
compare("gpt2", "--preset", "gpt2", *small)
compare("llama", "--preset", "llama-15m", "--tokenizer", room / "pairs.json",
        *small)
print(f"{'oracle_eval':28} {passed} passed, {failed} failed")
sys.exit(failed != 0)
