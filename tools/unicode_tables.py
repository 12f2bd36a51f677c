"""Writes src/tokenizer/unicode_data.inc.h: what the tokenizers need to know of
Unicode, from pinned packages and never from the host.

    .venv/bin/python tools/unicode_tables.py > src/tokenizer/unicode_data.inc.h

Classes and mappings are those of unicodedata2 16.0.0, which is Unicode 16.0.0;
the regular expressions of `tokenizers` 0.23.3 and `tiktoken` 0.14.0 classify
every code point by the same version.  Three parts of `tokenizers` follow other
versions, and files that name those parts mean them as they are there: the
normal forms NFC .. NFKD (an older Unicode), Lowercase (a newer one) and
Punctuation (an older one, and ASCII's symbols).  These are probed, one code
point after the other, and the table says what was found.
"""
import unicodedata2 as ucd
from tokenizers import (AddedToken, Tokenizer, models, normalizers,
                        pre_tokenizers)
import tokenizers

assert ucd.unidata_version == "16.0.0", ucd.unidata_version
assert tokenizers.__version__ == "0.23.3", tokenizers.__version__

SPACES = {0x9, 0xa, 0xb, 0xc, 0xd, 0x20, 0x85, 0xa0, 0x1680, 0x2028, 0x2029,
          0x202f, 0x205f, 0x3000, *range(0x2000, 0x200b)}     # White_Space
LETTER, NUMBER, SPACE, UPPER, LOWER, PUNCTUATION, WORD, SPLITS = (
    1 << i for i in range(8))
BITS = {"Lu": LETTER | UPPER, "Lt": LETTER | UPPER, "Ll": LETTER | LOWER,
        "Lm": LETTER | UPPER | LOWER, "Lo": LETTER | UPPER | LOWER,
        "M": UPPER | LOWER, "N": NUMBER, "P": PUNCTUATION}
ALL = [c for c in range(0x110000) if not 0xd800 <= c < 0xe000]
FORM = {name: getattr(normalizers, name)() for name in ("NFD", "NFKD", "NFC")}
LOWERCASE = normalizers.Lowercase()
ALONE = Tokenizer(models.BPE({"x": 0}, []))
ALONE.add_tokens([AddedToken("\x01", single_word=True)])
PUNCTUATIONS = pre_tokenizers.Punctuation("isolated")


def bits(code):
    category = ucd.category(chr(code))
    have = BITS.get(category, BITS.get(category[0], 0))
    if code in SPACES:
        have |= SPACE
    if len(PUNCTUATIONS.pre_tokenize_str("a" + chr(code) + "a")) > 1:
        have |= SPLITS
    if not ALONE.encode("\x01" + chr(code)).ids:
        have |= WORD
    return have


def table(name, kind, values, doc):
    print(f"/* {doc} */\nstatic const {kind} {name}[] = {{")
    line = "   "
    for value in values:
        word = f" 0x{value:x},"
        if len(line) + len(word) > 79:
            print(line)
            line = "   "
        line += word
    print(line + "\n};\n")


def classes():
    last = None
    for code in ALL:
        have = bits(code)
        if have != last:
            yield code << 8 | have
        last = have


def decompositions():
    """Code points that decompose, in full: canonically, then the others."""
    heads, places, parts = [], [], []
    for code in ALL:
        if 0xac00 <= code < 0xd7a4:
            continue                             # Hangul: by arithmetic
        canonical = FORM["NFD"].normalize_str(chr(code))
        full = FORM["NFKD"].normalize_str(chr(code))
        for compatible, text in ((0, canonical), (1, full)):
            if text == (canonical if compatible else chr(code)):
                continue
            heads.append(code << 1 | compatible)
            places.append(len(parts) << 8 | len(text))
            parts += map(ord, text)
    return heads, places, parts


def compositions():
    for code in ALL:
        parts = ucd.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            a, b = (int(part, 16) for part in parts)
            if FORM["NFC"].normalize_str(chr(a) + chr(b)) == chr(code):
                yield a << 42 | b << 21 | code


def reorders(code):
    """Whether a mark changes places with one of a lower or higher class."""
    order = FORM["NFD"].normalize_str
    return (order("a" + chr(code) + "\u0334")[1] == "\u0334" != chr(code) or
            order("a\u0345" + chr(code))[1] == chr(code)) and \
        ucd.combining(chr(code)) > 0


def lowers():
    for code in ALL:
        text = LOWERCASE.normalize_str(chr(code))
        if text != chr(code):
            yield code << 42 | sum(ord(c) << 21 * i
                                   for i, c in enumerate(text))


def main():
    print("/* Unicode for the tokenizers, made by tools/unicode_tables.py. */")
    print()
    table("unicode_runs", "uint32_t", classes(),
          "Where the class changes: the code point << 8 | its bits.")
    heads, places, parts = decompositions()
    table("unicode_whole", "uint32_t", heads,
          "What decomposes: the code point << 1 | compatibility alone.")
    table("unicode_places", "uint32_t", places,
          "Each one's place in unicode_parts << 8 | how many there.")
    table("unicode_parts", "uint32_t", parts, "What they become, in full.")
    table("unicode_marks", "uint32_t",
          [code << 8 | ucd.combining(chr(code)) for code in ALL
           if reorders(code)],
          "The code point << 8 | its combining class, where that is not 0.")
    table("unicode_pairs", "uint64_t", sorted(compositions()),
          "The first << 42 | the second << 21 | what the two make.")
    table("unicode_lower", "uint64_t", lowers(),
          "The code point << 42 | a second one << 21 | the first in lower"
          " case.")


main()
