"""Draws the figures of docs/performance.md: `python3 tools/figures.py docs`
writes gemm.svg, attention.svg, lanes.svg and step.svg there.  tools/check.sh
(`generated`) draws them again and compares.  Plain SVG, no library; one
colour a meaning: blue is read, orange is written or summed into, green is
packed, grey is not touched."""
import sys

BLUE, ORANGE, GREEN, GREY = "#cfe2f7", "#f9d5ad", "#cdebd0", "#eeeeee"
INK = "#333333"


class Figure:
    def __init__(self, width, height):
        self.size, self.parts = (width, height), []

    def box(self, x, y, w, h, fill, text="", stroke=INK, size=13):
        self.parts.append(f'<rect x="{x}" y="{y}" width="{w}" height="{h}"'
                          f' fill="{fill}" stroke="{stroke}"/>')
        if text:
            self.text(x + w / 2, y + h / 2 + size * 0.35, text, size,
                      "middle")

    def text(self, x, y, text, size=13, anchor="start", weight="normal"):
        text = text.replace("&", "&amp;").replace("<", "&lt;")
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{INK}"'
            f' text-anchor="{anchor}" font-weight="{weight}">{text}</text>')

    def lines(self, x, y, *texts, size=13):
        for i, text in enumerate(texts):
            self.text(x, y + i * (size + 5), text, size)

    def line(self, x1, y1, x2, y2, head=False):
        mark = ' marker-end="url(#head)"' if head else ""
        self.parts.append(f'<path d="M{x1:g} {y1:g} L{x2:g} {y2:g}"'
                          f' stroke="{INK}" fill="none"{mark}/>')

    def save(self, path):
        w, h = self.size
        with open(path, "w", encoding="utf-8") as f:
            f.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}"'
                    f' height="{h}" viewBox="0 0 {w} {h}"'
                    ' font-family="sans-serif">\n'
                    '<defs><marker id="head" viewBox="0 0 8 8" refX="7"'
                    ' refY="4" markerWidth="7" markerHeight="7"'
                    ' orient="auto"><path d="M0 0 L8 4 L0 8 z"'
                    f' fill="{INK}"/></marker></defs>\n'
                    f'<rect width="{w}" height="{h}" fill="white"/>\n')
            f.write("\n".join(self.parts) + "\n</svg>\n")


def gemm(path):
    """c = a b: what lies in which memory while one register tile is made."""
    f = Figure(760, 390)
    f.text(20, 26, "c = a b, one tile of 12 rows x 2 vectors at a time", 15,
           weight="bold")
    # a, left; b, above; c, where they meet
    f.box(40, 190, 130, 150, BLUE)
    f.box(40, 240, 130, 24, "#8ab6e8")
    f.text(105, 364, "a: rows, in place or", 12, "middle")
    f.text(105, 379, "packed once a block", 12, "middle")
    f.box(230, 50, 220, 100, GREEN)
    for i in range(1, 7):
        f.line(230 + i * 220 / 7, 50, 230 + i * 220 / 7, 150)
    f.box(292.9, 50, 31.4, 100, "#86cf8d")
    f.text(340, 44, "b: packed in panels of two vectors", 12, "middle")
    f.box(230, 190, 220, 150, GREY)
    f.box(292.9, 240, 31.4, 24, ORANGE)
    f.text(340, 364, "c", 12, "middle")
    f.line(172, 252, 288, 252, True)
    f.line(308, 152, 308, 236, True)
    f.text(60, 182, "k ascending", 11)
    f.line(126, 178, 166, 178, True)
    f.text(206, 128, "k", 11)
    f.line(214, 60, 214, 112, True)
    # what is where
    x = 490
    f.text(x, 66, "registers", 13, weight="bold")
    f.lines(x, 84, "24 chains of fma; each step of k:",
            "2 loads of b, 12 numbers of a", "broadcast: 24 fma for 14 loads",
            size=12)
    f.text(x, 152, "first-level cache", 13, weight="bold")
    f.lines(x, 170, "12 rows of a, read again for each", "panel of b;"
            " panels stream by in order", size=12)
    f.text(x, 220, "second-level cache", 13, weight="bold")
    f.lines(x, 238, "a block of b, some hundred k deep, packed",
            "once for all rows of a thread's items;", "a block of a; the"
            " next one is fetched", "by the tiles of this one", size=12)
    f.text(x, 324, "memory", 13, weight="bold")
    f.lines(x, 342, "c, once read and written for each block", "of k: the"
            " chain goes on from there", size=12)
    f.save(path)


def attention(path):
    """The causal triangle in blocks."""
    f = Figure(760, 360)
    f.text(20, 26, "scores of one head, T = 8 blocks: the causal half alone",
           15, weight="bold")
    x0, y0, side = 70, 60, 32
    for i in range(8):
        for j in range(8):
            fill = BLUE if j < i else GREY
            if i == 5 and j < 5:
                fill = ORANGE
            f.box(x0 + j * side, y0 + i * side, side, side, fill,
                  stroke="#ffffff")
        stairs = " ".join(
            f"L{x0 + i * side + s * 8:g} {y0 + i * side + s * 8 + d:g}"
            for s in range(1, 5) for d in (-8, 0))
        f.parts.append(
            f'<path d="M{x0 + i * side} {y0 + i * side} {stairs}'
            f' L{x0 + i * side} {y0 + (i + 1) * side} z"'
            f' fill="{ORANGE if i == 5 else BLUE}"/>')
    f.text(x0 + 4 * side, y0 - 8, "keys", 12, "middle")
    f.text(x0 - 8, y0 + 4 * side, "queries", 12, "end")
    x = 370
    f.box(x, 60, 14, 14, BLUE)
    f.lines(x + 24, 72, "computed: whole blocks are matrix products")
    f.box(x, 84, 14, 14, GREY)
    f.lines(x + 24, 96, "never touched, never multiplied by zero")
    f.box(x, 108, 14, 14, ORANGE)
    f.lines(x + 24, 120, "on the diagonal the chains end in stairs")
    f.lines(x, 160, "forward, a block of queries (orange):", "  1  scores ="
            " q k^T, vectors along the keys", "  2  maximum, exp, sum: 64"
            " lanes over the keys", "  3  y = e v, chains over the keys,"
            " times 1 / sum")
    f.lines(x, 250, "backward, a block of keys at a time:", "  scores and"
            " exp again from the kept maximum;", "  dv += p^T dy,  g = dy"
            " v^T,  dq += t k,  dk += t^T q", "  the scratch is one tile of"
            " queries x T")
    f.save(path)


def lanes(path):
    """A sum along a row: 64 lanes, then a tree."""
    f = Figure(760, 300)
    f.text(20, 26, "a sum along a row has one order: 64 lanes, then halves",
           15, weight="bold")
    for i in range(16):
        f.box(30 + i * 26, 46, 24, 24, BLUE, size=10,
              text=str(i) if i < 13 else "")
    f.text(458, 63, "elements i of the row: lane i mod 64", 12)
    for i in range(16):
        f.line(42 + i * 26, 72, 42 + i * 26, 96, i == 15 or i == 0)
        f.box(30 + i * 26, 98, 24, 24, ORANGE)
    f.text(458, 115, "64 accumulators (16 are drawn)", 12)
    for level, count in enumerate((8, 4, 2, 1)):
        y = 142 + level * 34
        for i in range(count):
            f.box(30 + i * 26, y, 24, 24, ORANGE)
    f.text(258, 159, "lane j takes lane j + 32,", 12)
    f.text(154, 193, "j + 16, j + 8, j + 4, j + 2, j + 1", 12)
    f.text(68, 262, "the result", 12)
    x = 458
    f.text(x, 159, "the same 64 lanes are", 13, weight="bold")
    f.lines(x, 180, "4 registers of AVX-512", "8 of AVX2", "16 of NEON or"
            " SSE2", "an array of 64 in plain C", size=12)
    f.lines(x, 262, "so that all give the same bits, and", "each keeps its"
            " adders busy", size=12)
    f.save(path)


def step(path):
    """Bytes that a GPT-2 step moves for its parameters and logits."""
    f = Figure(760, 330)
    f.text(20, 26, "memory that is not moved", 15, weight="bold")
    f.text(20, 58, "cross-entropy, [N, 50257]", 13, weight="bold")
    f.text(20, 80, "op by op", 12)
    for i, (fill, word) in enumerate((
            (ORANGE, "logits"), (BLUE, "max, sum"), (ORANGE, "probabilities"),
            (BLUE, "loss"), (ORANGE, "zeros"), (ORANGE, "gradient"))):
        f.box(110 + i * 98, 64, 94, 24, fill, word, size=11)
    f.text(20, 118, "here", 12)
    for i, (fill, word) in enumerate((
            (ORANGE, "logits"), (BLUE, "max, sum"),
            (ORANGE, "gradient, in place"))):
        f.box(110 + i * 98, 102, 94 if i < 2 else 110, 24, fill, word,
              size=11)
    f.text(430, 118, "one array of N x V, and no other", 12)
    f.text(20, 162, "AdamW, a parameter's element", 13, weight="bold")
    f.text(20, 184, "op by op", 12)
    words = ("clip", "m", "v", "root", "quotient", "decay", "step", "clear")
    for i, word in enumerate(words):
        f.box(110 + i * 74, 168, 70, 24, BLUE if i in (3, 4) else ORANGE,
              word, size=11)
    f.text(20, 222, "here", 12)
    f.box(110, 206, 310, 24, ORANGE,
          "p, g, m, v read once, written once; g becomes 0", size=11)
    f.text(430, 222, "one pass, whole vectors", 12)
    f.text(20, 266, "a step's tape", 13, weight="bold")
    f.text(20, 290, "forward", 12)
    f.text(20, 316, "backward", 12)
    for i in range(8):
        f.box(110 + i * 50, 274, 46, 22, BLUE, f"x{i}", size=11)
        f.box(110 + i * 50, 300, 46, 22, ORANGE if i > 4 else GREY,
              f"d{i}" if i > 4 else "", size=11)
    f.lines(520, 284, "one arena: kept over steps; what backward",
            "has passed is taken again for what comes,", "while it is still"
            " in the cache", size=11)
    f.save(path)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for draw in (gemm, attention, lanes, step):
        draw(f"{sys.argv[1]}/{draw.__name__}.svg")


main()
