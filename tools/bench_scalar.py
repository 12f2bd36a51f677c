"""A scalar autograd engine in plain Python, the opponent of the smallest
model: the same operations as microgpt.py's (add, mul, pow, log, exp, relu)
on numbers one by one, written here on its own, and the micro preset in it.
"""
import math
import random
import time


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
