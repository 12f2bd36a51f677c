"""The polynomials of src/kernels/math.inc.h, fitted anew.

Prints each one's coefficients, lowest first, as they stand there, and the
largest error of the fit (relative to the function's value; GELU's absolute).
By the exchange algorithm of Remez in 120 bits.  Needs Python 3 and mpmath; a
few seconds.
"""

import mpmath as mp

mp.mp.prec = 120
GRID = 2000


def solve(f, weight, degree, xs):
    """The polynomial whose weighted error alternates, equal, at xs."""
    n = degree + 2
    a, b = mp.matrix(n, n), mp.matrix(n, 1)
    for i, x in enumerate(xs):
        w = weight(x)
        for j in range(degree + 1):
            a[i, j] = x**j * w
        a[i, degree + 1] = (-1)**i
        b[i] = f(x) * w
    return list(mp.lu_solve(a, b))[:-1]


def extrema(errors):
    """The indices where the error turns, one for each run of equal signs."""
    last = len(errors) - 1
    turns = [i for i in range(last + 1) if i in (0, last) or
             (errors[i] - errors[i - 1]) * (errors[i + 1] - errors[i]) <= 0]
    kept = []
    for i in turns:
        if not kept or (errors[i] > 0) != (errors[kept[-1]] > 0):
            kept.append(i)
        elif abs(errors[i]) > abs(errors[kept[-1]]):
            kept[-1] = i
    return kept


def fit(name, f, low, high, degree, weight):
    """Minimises the largest |weight * (p - f)| over low..high."""
    low, high, n = mp.mpf(low), mp.mpf(high), degree + 2
    grid = [low + (high - low) * i / GRID for i in range(GRID + 1)]
    table = [(x, f(x), weight(x)) for x in grid]
    xs = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * i / (n - 1))
          for i in range(n)]
    for _ in range(16):
        p = solve(f, weight, degree, xs)
        errors = [w * (mp.polyval(p[::-1], x) - y) for x, y, w in table]
        turns = extrema(errors)
        while len(turns) > n:
            first, last = abs(errors[turns[0]]), abs(errors[turns[-1]])
            turns.pop(0 if first < last else -1)
        if len(turns) < n:
            break
        xs = [grid[i] for i in turns]
    worst = max(abs(e) for e in errors)
    print(f"{name}: {mp.nstr(worst, 3)}")
    for c in p:
        print(f"    {mp.nstr(c, 10)}")


def near_zero(f, limit, bound=mp.mpf(10)**-12):
    """f, and its limit where the formula would cancel."""
    return lambda x: f(x) if abs(x) > bound else limit


TINY = mp.mpf(10)**-9              # a weight of 0 would make a row of zeros

fit("exp: q(r)", near_zero(lambda r: (mp.expm1(r) - r) / r**2, mp.mpf(1) / 2),
    "-0.3475", "0.3475", 5, lambda r: r**2 + TINY)
fit("exp, beside a 1: 1 + r q(r)",
    near_zero(lambda r: mp.expm1(r) / r, mp.mpf(1)), "-0.3475", "0.3475", 5,
    lambda r: abs(r) + TINY)
fit("log: q(f)",
    near_zero(lambda f: (mp.log1p(f) - f + f * f / 2) / f**3, mp.mpf(1) / 3),
    "-0.293", "0.4143", 8, lambda f: f**2 + TINY)
fit("tanh: q(x^2)",
    near_zero(lambda s: (mp.tanh(mp.sqrt(s)) / mp.sqrt(s) - 1) / s,
              -mp.mpf(1) / 3),
    0, "0.4", 5, lambda s: s + TINY)
fit("erf, small: q(x^2)",
    near_zero(lambda s: mp.erf(mp.sqrt(s)) / mp.sqrt(s) - 1,
              2 / mp.sqrt(mp.pi) - 1),
    0, "0.86", 6, lambda s: 1)
fit("erf, large: p(x)", lambda x: -mp.log(mp.erfc(x)),
    "0.9", "3.95", 7, lambda x: mp.erfc(x) / mp.erf(x))


def fit_power(name, f, factor, m, high, degree, more=lambda c: 1):
    """c p(c) so that f(c) is factor(c) (1 - c p(c))^m within an equal error,
    but less where `more` is more than 1."""
    def root(c):
        return (f(c) / factor(c))**(mp.mpf(1) / m)
    fit(name, lambda c: (1 - root(c)) / c, "1e-6", high, degree - 1,
        lambda c: c * m * root(c)**(m - 1) * abs(factor(c)) * more(c))


def tail(c):
    """The normal distribution at -c."""
    return mp.erfc(c / mp.sqrt(2)) / 2


def slope(c):
    """The slope of gelu at -c."""
    return tail(c) - c * mp.npdf(c)


def tail_tanh(c):
    """What gelu_tanh has for tail()."""
    return 1 / (1 + mp.exp(mp.sqrt(8 / mp.pi) * (c + TANH_CUBE * c**3)))


def more_tanh(c):
    """Its slope takes the tail times 1 + 2 c v'; near 1 the roundings add up
    to the most."""
    return (1 + 2 * mp.exp(-(c - 1.1)**2) +
            mp.sqrt(mp.mpf("0.08") / mp.pi) * (c + 3 * TANH_CUBE * c**3))


TANH_CUBE = mp.mpf("0.044715")
ZERO = mp.findroot(slope, 0.75)
fit_power("gelu: p(c)", tail, lambda c: 0.5, 8, 6, 8)
fit_power(f"gelu's slope, 0.5 / z = {mp.nstr(0.5 / ZERO, 10)}: p(c)", slope,
          lambda c: (1 - c / ZERO) / 2, 8, "6.5", 8)
fit_power("gelu_tanh: p(c)", tail_tanh, lambda c: 0.5, 4, 6, 12, more_tanh)
