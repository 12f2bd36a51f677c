"""PyTorch's side of tools/bench_peers.py: each function makes a measurement,
which gives the seconds of the least busy call among those that fit into some
time.  Operations are called below autograd (torch.ops.aten) where that would
cost more than they do.

    python tools/bench_torch.py step PRESET DTYPE    two steps, for the memory
"""
import math
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

aten = torch.ops.aten


def timed(function, seconds=0.1):
    """The least of the calls within some time, after one that warms up."""
    def once():
        function()
        best, end = math.inf, time.perf_counter() + seconds
        while best == math.inf or time.perf_counter() < end:
            begin = time.perf_counter()
            function()
            best = min(best, time.perf_counter() - begin)
        return best
    return once


def counted(function, seconds=0.1, calls=32):
    """The same for what takes microseconds: `calls` of them at a time."""
    def many():
        for _ in range(calls):
            function()
    once = timed(many, seconds)
    return lambda: once() / calls


# ----------------------------------------------------------- operations ----

def attention(t, size, threads):
    """Forward and backward; as many heads as Longhand's row has."""
    torch.set_num_threads(threads)
    shape = 2048 // t, t, 384 // size, size
    q, k, v, dy = (torch.rand(shape).transpose(1, 2) for _ in range(4))
    forward = aten._scaled_dot_product_flash_attention_for_cpu
    backward = aten._scaled_dot_product_flash_attention_for_cpu_backward

    def run():
        y, log_sum = forward(q, k, v, 0.0, True)
        backward(dy, q, k, v, y, log_sum, 0.0, True)
    return timed(run)


def cross_entropy(rows, vocabulary, threads):
    torch.set_num_threads(threads)
    logits = torch.rand(rows, vocabulary, requires_grad=True)
    targets = torch.randint(0, vocabulary, (rows,))

    def run():
        logits.grad = None
        F.cross_entropy(logits, targets).backward()
    return timed(run, 0.3)


def rows_of(name, rows, columns, threads):
    """An operation on [rows, columns], by the name of Longhand's kernel."""
    torch.set_num_threads(threads)
    x, dy, y = (torch.rand(rows, columns) for _ in range(3))
    gain, bias = torch.rand(columns), torch.rand(columns)
    _, mean, scale = aten.native_layer_norm(x, [columns], gain, bias, 1e-5)
    run = {
        "exp_forward": lambda: torch.exp(x, out=y),
        "gelu_tanh_forward":
            lambda: aten.gelu.out(x, approximate="tanh", out=y),
        "gelu_tanh_backward": lambda: aten.gelu_backward.grad_input(
            dy, x, approximate="tanh", grad_input=y),
        "gelu_forward": lambda: aten.gelu.out(x, out=y),
        "gelu_backward":
            lambda: aten.gelu_backward.grad_input(dy, x, grad_input=y),
        "silu_forward": lambda: aten.silu.out(x, out=y),
        "silu_backward":
            lambda: aten.silu_backward.grad_input(dy, x, grad_input=y),
        "layer_norm_forward":
            lambda: aten.native_layer_norm(x, [columns], gain, bias, 1e-5),
        "layer_norm_backward": lambda: aten.native_layer_norm_backward(
            dy, x, [columns], mean, scale, gain, bias, [True, False, False]),
    }[name]
    return counted(run) if rows * columns < 1 << 20 else timed(run)


def node(threads):
    """A node of eager PyTorch, forward and backward."""
    torch.set_num_threads(threads)
    nodes = 1000
    a = torch.tensor(0.5, requires_grad=True)

    def run():
        y = a
        for i in range(nodes):
            y = y * a if i & 1 else y + a
        y.backward()
    once = timed(run)
    return lambda: once() / nodes


# --------------------------------------------------------------- models ----

class Norm(nn.Module):
    def __init__(self, kind, width, bias):
        super().__init__()
        self.kind = kind
        self.gain = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x):
        if self.kind == "layer":
            return F.layer_norm(x, x.shape[-1:], self.gain, self.bias)
        return F.rms_norm(x, x.shape[-1:], self.gain, 1e-5)


class Block(nn.Module):
    def __init__(self, gpt2, width, heads, inner, dropout):
        super().__init__()
        self.gpt2, self.heads, self.dropout = gpt2, heads, dropout
        kind, bias = "layer" if gpt2 else "rms", gpt2 == "biases"
        self.norm1, self.norm2 = (Norm(kind, width, bias) for _ in range(2))
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)
        self.up = nn.Linear(width, inner if gpt2 else 2 * inner, bias=bias)
        self.down = nn.Linear(inner, width, bias=bias)

    @staticmethod
    def rotate(x, cosine, sine):
        a, b = x.chunk(2, -1)
        return torch.cat((a * cosine - b * sine, b * cosine + a * sine), -1)

    def drop(self, x):
        return F.dropout(x, self.dropout) if self.dropout else x

    def forward(self, x, rotary):
        batch, t, width = x.shape
        q, k, v = (part.view(batch, t, self.heads, -1).transpose(1, 2)
                   for part in self.qkv(self.norm1(x)).chunk(3, -1))
        if rotary:
            q, k = self.rotate(q, *rotary), self.rotate(k, *rotary)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.drop(self.out(y.transpose(1, 2).reshape(x.shape)))
        h = self.up(self.norm2(x))
        if self.gpt2:
            h = F.gelu(h, approximate="tanh" if self.gpt2 == "biases"
                       else "none")
        else:
            gate, h = h.chunk(2, -1)
            h = F.silu(gate) * h
        return x + self.drop(self.down(h))


class GPT(nn.Module):
    """The presets' architectures: GPT-2 (learned positions, layer norms,
    GELU, tied head; "biases", or "plain" without), or a Llama in small."""

    def __init__(self, gpt2, layers, width, heads, inner, context,
                 vocabulary, dropout):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.place = nn.Embedding(context, width) if gpt2 else None
        self.head = nn.Linear(width, vocabulary, bias=False)
        if gpt2:
            self.head.weight = self.embed.weight
        self.blocks = nn.ModuleList(
            Block(gpt2, width, heads, inner, dropout) for _ in range(layers))
        self.norm = Norm("layer" if gpt2 else "rms", width,
                         gpt2 == "biases")
        half = width // heads // 2
        angle = torch.outer(torch.arange(context),
                            10000.0 ** (-torch.arange(half) / half))
        self.rotary = None if gpt2 else (angle.cos(), angle.sin())
        self.dropout = dropout
        for p in self.parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02)

    def forward(self, tokens, targets):
        t = tokens.shape[1]
        x = self.embed(tokens)
        if self.place:
            x = x + self.place(torch.arange(t))
        if self.dropout:
            x = F.dropout(x, self.dropout)
        rotary = self.rotary and tuple(r[:t] for r in self.rotary)
        for block in self.blocks:
            x = block(x, rotary)
        logits = self.head(self.norm(x))
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


#          gpt2  layers width heads inner context  V  dropout    B   T
PRESETS = {
    "nano": ((None, 4, 128, 4, 352, 64, 65, 0.0), 12, 64),
    "small": ((None, 6, 384, 6, 1024, 256, 65, 0.2), 16, 256),
    "gpt2": (("biases", 12, 768, 12, 3072, 1024, 50257, 0.0), 4, 64),
    # nanoGPT's published settings for the characters of tinyshakespeare: of
    # its README for a CPU, of config/train_shakespeare_char.py.
    "usual cpu": (("plain", 4, 128, 4, 512, 64, 65, 0.0), 12, 64),
    "usual": (("plain", 6, 384, 6, 1536, 256, 65, 0.2), 64, 256),
}


def stepper(preset, dtype):
    sizes, batch, t = PRESETS[preset]
    torch.manual_seed(1)
    model = GPT(*sizes)
    adamw = torch.optim.AdamW(model.parameters(), lr=1e-3,
                              betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    tokens = torch.randint(0, sizes[6], (batch, t + 1))
    cast = torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16")

    def run():
        adamw.zero_grad(set_to_none=True)
        with cast:
            loss = model(tokens[:, :-1], tokens[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
    return run


def step(preset, dtype, threads):
    torch.set_num_threads(threads)
    return timed(stepper(preset, dtype), 0.3)


if __name__ == "__main__":
    torch.set_num_threads(2)
    two = stepper(sys.argv[2], sys.argv[3])
    two()
    two()
