"""Longhand beside its peers, in one run on one machine, alternating, the
same threads, medians of 7 with the spread: `make bench-peers`.

    .venv/bin/python tools/bench_peers.py build/longhand [ROW...]

Opponents: PyTorch (pinned in tests/requirements.txt), and for the smallest
model a scalar autograd engine in plain Python, the same operations as
microgpt.py's (add, mul, pow, log, exp, relu), written here on its own.
A ROW given selects the rows that begin with it.
"""
import json
import math
import os
import random
import statistics
import subprocess
import sys
import time

ROUNDS = 7


# ---------------------------------------------------- a scalar engine ----

class Value:
    """A number that knows what it came from, with the local gradients."""
    __slots__ = ("data", "grad", "inputs", "locals")

    def __init__(self, data, inputs=(), slopes=()):
        self.data, self.grad = data, 0.0
        self.inputs, self.locals = inputs, slopes

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, (self, other),
                     (other.data, self.data))

    def power(self, n):
        return Value(self.data ** n, (self,), (n * self.data ** (n - 1),))

    def log(self):
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def exp(self):
        y = math.exp(self.data)
        return Value(y, (self,), (y,))

    def relu(self):
        return Value(max(0.0, self.data), (self,),
                     (1.0 if self.data > 0 else 0.0,))

    def backward(self):
        order, seen, stack = [], set(), [(self, False)]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack.extend((i, False) for i in node.inputs)
        self.grad = 1.0
        for node in reversed(order):
            for i, slope in zip(node.inputs, node.locals):
                i.grad += slope * node.grad


class ScalarGPT:
    """The micro preset: 1 layer, 16 wide, 4 heads, context 16."""

    def __init__(self):
        draw = random.Random(1).gauss

        def matrix(rows, columns):
            return [[Value(draw(0, 0.08)) for _ in range(columns)]
                    for _ in range(rows)]
        self.wte, self.wpe, self.head = (matrix(27, 16), matrix(16, 16),
                                         matrix(27, 16))
        self.q, self.k, self.v, self.o = (matrix(16, 16) for _ in range(4))
        self.up, self.down = matrix(64, 16), matrix(16, 64)
        self.all = [p for m in vars(self).copy().values() for row in m
                    for p in row]
        self.m, self.s = [0.0] * len(self.all), [0.0] * len(self.all)
        self.steps = 0

    @staticmethod
    def total(values):
        total = values[0]
        for value in values[1:]:
            total = total + value
        return total

    def linear(self, w, x):
        return [self.total([a * b for a, b in zip(row, x)]) for row in w]

    def norm(self, x):
        scale = (self.total([a * a for a in x]) * (1 / len(x)) +
                 1e-5).power(-0.5)
        return [a * scale for a in x]

    def softmax(self, x):
        most = max(a.data for a in x)
        e = [(a + -most).exp() for a in x]
        over = self.total(e).power(-1)
        return [a * over for a in e]

    def step(self, tokens):
        keys, values, losses = [], [], []
        for at, (token, target) in enumerate(zip(tokens, tokens[1:])):
            x = self.norm([a + b for a, b in zip(self.wte[token],
                                                 self.wpe[at])])
            h = self.norm(x)
            q = self.linear(self.q, h)
            keys.append(self.linear(self.k, h))
            values.append(self.linear(self.v, h))
            mixed = []
            for head in range(0, 16, 4):
                span = range(head, head + 4)
                share = self.softmax([
                    self.total([q[d] * k[d] for d in span]) * 0.5
                    for k in keys])
                mixed += [self.total([s * v[d] for s, v in
                                      zip(share, values)]) for d in span]
            x = [a + b for a, b in zip(self.linear(self.o, mixed), x)]
            h = [a.relu() for a in self.linear(self.up, self.norm(x))]
            x = [a + b for a, b in zip(self.linear(self.down, h), x)]
            share = self.softmax(self.linear(self.head, x))
            losses.append(share[target].log() * -1.0)
        (self.total(losses) * (1 / len(losses))).backward()
        self.steps += 1
        for i, p in enumerate(self.all):
            self.m[i] = 0.85 * self.m[i] + 0.15 * p.grad
            self.s[i] = 0.99 * self.s[i] + 0.01 * p.grad ** 2
            p.data -= 0.01 * (self.m[i] / (1 - 0.85 ** self.steps)) / (
                (self.s[i] / (1 - 0.99 ** self.steps)) ** 0.5 + 1e-8)
            p.grad = 0.0


def scalar_name(_threads):
    """Seconds a name of 6 letters: 7 positions, as names have on average."""
    gpt, letters = ScalarGPT(), random.Random(2)

    def once():
        begin = time.perf_counter()
        gpt.step([26] + [letters.randrange(26) for _ in range(6)] + [26])
        return time.perf_counter() - begin
    return once


# -------------------------------------------------------------- PyTorch ----

def timed(function, seconds=0.3):
    """The least busy of the calls that fit into some time."""
    function()

    def once():
        best, end = math.inf, time.perf_counter() + seconds
        while time.perf_counter() < end:
            begin = time.perf_counter()
            function()
            best = min(best, time.perf_counter() - begin)
        return best
    return once


def torch_gemm(n):
    def make(threads):
        import torch
        torch.set_num_threads(threads)
        x, w = torch.rand(n, n), torch.rand(n, n)
        y = torch.empty(n, n)
        return timed(lambda: torch.mm(x, w.t(), out=y))
    return make


def torch_attention(t):
    def make(threads):
        import torch
        torch.set_num_threads(threads)
        q, k, v = (torch.rand(1, 6, t, 64) for _ in range(3))
        attend = torch.nn.functional.scaled_dot_product_attention

        def run():
            with torch.no_grad():
                attend(q, k, v, is_causal=True)
        return timed(run)
    return make


def torch_nano(threads):
    """The nano preset in PyTorch: 4 x 128, SwiGLU 352, rotary, B 32, T 64."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    torch.set_num_threads(threads)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=27, hidden_size=128, intermediate_size=352,
        num_hidden_layers=4, num_attention_heads=4,
        max_position_embeddings=64, use_cache=False))
    adamw = torch.optim.AdamW(model.parameters(), lr=2e-3, fused=True)
    tokens = torch.randint(0, 27, (32, 64))

    def run():
        adamw.zero_grad()
        model(input_ids=tokens, labels=tokens).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
    return timed(run, 1.0)


# ------------------------------------------------------------- the rows ----

def ours(program, work, threads):
    def once():
        text = subprocess.run(
            [program, "bench", work, "--json", "--threads", str(threads)],
            check=True, capture_output=True, text=True).stdout
        for line in text.splitlines():
            row = json.loads(line)
            if row["work"] == work:
                return row["seconds"]
        raise SystemExit(f"bench_peers: bench has no work {work}")
    return once


ROWS = [("micro 1", "scalar engine in Python", scalar_name, (1,))]
ROWS += [(f"gemm {n} nt f32", "PyTorch", torch_gemm(n), (1, 2))
         for n in (64, 256, 1024)]
ROWS += [(f"attention {t} f32", "PyTorch", torch_attention(t), (1,))
         for t in (64, 256, 1024)]
ROWS += [("step nano f32", "PyTorch", torch_nano, (1, 2))]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    program, wanted = sys.argv[1], " ".join(sys.argv[2:])
    facts = subprocess.run([program, "info"], check=True, text=True,
                           capture_output=True).stdout.splitlines()
    print("\n".join(line for line in facts[:4]))
    print(f"{os.cpu_count()} cores; medians of {ROUNDS}, in brackets the"
          " least and the most\n")
    print(f"{'work':<18} {'threads':>7} {'Longhand':>32} {'peer':>32}"
          f" {'ratio':>8}")
    for work, peer, make, counts in ROWS:
        if not work.startswith(wanted):
            continue
        for threads in counts:
            mine, theirs = ours(program, work, threads), make(threads)
            a, b = [], []
            for _ in range(ROUNDS):
                a.append(mine())
                b.append(theirs())

            def show(x):
                return (f"{statistics.median(x) * 1e6:,.1f} us "
                        f"[{min(x) * 1e6:,.1f} {max(x) * 1e6:,.1f}]")
            ratio = statistics.median(y / x for x, y in zip(a, b))
            print(f"{work:<18} {threads:>7} {show(a):>32} {show(b):>32}"
                  f" {ratio:>7,.2f}x  {peer}", flush=True)


main()
