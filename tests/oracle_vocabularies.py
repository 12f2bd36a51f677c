"""The field's tokenizers against their own libraries, in the environment of
tests/tokenizers.txt.

    python tests/oracle_vocabularies.py BUILD DATA [STRINGS [NAME...]]

Ids: for each tokenizer of DATA/tokenizers, for pipelines made here and for
the GGUF vocabularies, all of DATA/text, every code point alone and between
letters, digits, spaces and apostrophes, STRINGS random strings of nasty
pieces, source code and JSON; where the library takes bytes, strings that are
no UTF-8 as well; special tokens as tokens, and what stands around a text.
Decoding: the text again, or its normal form.  Training: the merges of
BpeTrainer.  Writing: what is saved, loaded there, gives the same ids.
LH_CODES=16 takes every sixteenth code point from U+3000 on; NAMEs
choose tokenizers.
"""
import array
import base64
import glob
import itertools
import json
import multiprocessing
import os
import random
import struct
import subprocess
import sys

import sentencepiece
import tiktoken
from tiktoken_ext import openai_public
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models,
                        normalizers, pre_tokenizers, processors, trainers)

BUILD, DATA = sys.argv[1:3]
ONLY = sys.argv[4:]
STRINGS = int(sys.argv[3]) if len(sys.argv) > 3 else 100000
T = DATA + "/tokenizers/"


def framed(texts):
    return b"".join(struct.pack("<I", len(t)) + t for t in texts)


def tool(*arguments, texts=()):
    return subprocess.run([BUILD + "/tests/tool_tokenizer", *arguments],
                          input=framed(texts), stdout=subprocess.PIPE,
                          check=True).stdout


def ours(path, texts, what="ids"):
    """The ids of each of the texts (bytes), by tool_tokenizer."""
    out, at, lists = tool(what, path, texts=texts), 0, []
    for _ in texts:
        n, = struct.unpack_from("<I", out, at)
        lists.append(list(struct.unpack_from(f"<{n}i", out, at + 4)))
        at += 4 + 4 * n
    return lists


def unlike(what, texts, lists, wanted):
    """How many of the texts have other ids than wanted; says the first."""
    pairs = [x for x in zip(texts, lists, wanted, strict=True)
             if x[1] != x[2]]
    for text, a, b in pairs[:3]:
        print(f"{what}: {text[:60]!r}: {a[:12]}, not {b[:12]}", flush=True)
    return len(pairs)


class Ranks:
    """A .tiktoken file in the library it was made for."""
    def __init__(self, path, name):
        ranks = {}
        for line in open(path, "rb"):
            token, rank = line.split()
            ranks[base64.b64decode(token)] = int(rank)
        openai_public.load_tiktoken_bpe = lambda *a, **k: ranks
        openai_public.data_gym_to_mergeable_bpe_ranks = lambda *a, **k: ranks
        known = getattr(openai_public, name)()
        self.encoding = tiktoken.Encoding(
            name, pat_str=known["pat_str"], mergeable_ranks=ranks,
            special_tokens=known["special_tokens"])

    def encode(self, texts):
        return [self.encoding.encode_ordinary(t) for t in texts]

    def special(self, texts):
        return [self.encoding.encode(t, allowed_special="all") for t in texts]

    normal = str
    framed = encode                     # a list of ranks has no template


class Library:
    """A tokenizer of `tokenizers`, special tokens in texts being text.  What
    a text's ids are decoded to is normal(text), if that can be said."""
    def __init__(self, tokenizer, normal=None):
        self.tokenizer = tokenizer
        self.normal = normal

    def encode(self, texts, special=False, frame=False):
        self.tokenizer.encode_special_tokens = not special
        return [e.ids for e in self.tokenizer.encode_batch_fast(
            texts, add_special_tokens=frame)]

    def special(self, texts):
        return self.encode(texts, special=True)

    def framed(self, texts):
        return self.encode(texts, frame=True)


class Pieces:
    """A SentencePiece model."""
    def __init__(self, path):
        self.model = sentencepiece.SentencePieceProcessor(model_file=path)
        # Llama 2's model leaves spaces as they are, and marks become some.
        self.normal = None if "made" in path else \
            lambda text: text.replace("\u2581", " ")

    def encode(self, texts):
        return self.model.encode(texts, num_threads=1)

    framed = encode                     # a model has no template
    special = None                      # which it finds in no text


QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
         r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = QWEN2.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)


def pair(vocab, merges, pattern, form=None, whole=False, special=()):
    merges = [tuple(line.rstrip("\r\n").split(" "))
              for line in open(merges, encoding="utf-8", newline="\n")
              if not line.startswith("#version") and line.strip()]
    model = models.BPE(json.load(open(vocab)), merges, ignore_merges=whole)
    t = Tokenizer(model)
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]) \
        if pattern else pre_tokenizers.ByteLevel(add_prefix_space=False)
    for token in special:               # plain ones as AddedToken
        (t.add_special_tokens if isinstance(token, str) else
         t.add_tokens)([token])
    if not form:
        return Library(t, str)
    t.normalizer = form
    return Library(t, form.normalize_str)


ALL = {
    "gpt2/tokenizer.json": lambda p: Library(Tokenizer.from_file(p), str),
    "minimind/tokenizer.json": lambda p: Library(Tokenizer.from_file(p), str),
    "llama2/tokenizer.model": Pieces,
    "llama2/tokenizer.bin": lambda p: Pieces(T + "llama2/tokenizer.model"),
    "r50k_base.tiktoken": lambda p: Ranks(p, "r50k_base"),
    "cl100k_base.tiktoken": lambda p: Ranks(p, "cl100k_base"),
    "o200k_base.tiktoken": lambda p: Ranks(p, "o200k_base"),
    "gpt2/encoder.json": lambda p: pair(p, T + "gpt2/vocab.bpe", None,
                                        special=["<|endoftext|>"]),
    "qwen2/vocab.json": lambda p: pair(
        p, T + "qwen2/merges.txt", QWEN2, normalizers.NFC(), special=[
            t["content"] if t["special"] else AddedToken(t["content"],
                                                         normalized=False)
            for t in json.load(open(T + "qwen2/tokenizer_config.json"))[
                "added_tokens_decoder"].values()]),
    "llama3.2/encoder.json": lambda p: pair(
        p, T + "llama3.2/vocab.bpe", LLAMA3, whole=True, special=[
            "<|begin_of_text|>", "<|end_of_text|>", "<2>", "<3>", "<4>",
            "<5>", "<|start_header_id|>", "<|end_header_id|>", "<8>",
            "<|eot_id|>"]),
}


def squeezed(path):
    """A model with SentencePiece's defaults, which takes spaces away."""
    sentencepiece.SentencePieceTrainer.train(
        input=DATA + "/text/botchan.txt", model_prefix=path[:-6],
        vocab_size=2000, model_type="bpe", byte_fallback=True,
        normalization_rule_name="identity", minloglevel=2,
        user_defined_symbols=["<sep>", "McD"] if "symbols" in path else [])
    return Pieces(path)


ALL["made-squeezed.model"] = ALL["made-symbols.model"] = squeezed


def spaced(kind):
    """Llama 2's pieces as a model of `tokenizers`, marks for spaces."""
    def make(path):
        pieces = sentencepiece.SentencePieceProcessor(
            model_file=T + "llama2/tokenizer.model")
        vocab = {pieces.id_to_piece(i): i for i in range(len(pieces))}
        merges = []
        for text, i in vocab.items():
            for at in range(1, len(text)):
                if text[:at] in vocab and text[at:] in vocab and i > 258:
                    merges.append((-pieces.get_score(i), vocab[text[:at]],
                                   vocab[text[at:]], text[:at], text[at:]))
        merges = [(a, b) for *_, a, b in sorted(merges)]
        t = Tokenizer(models.BPE(vocab, merges, byte_fallback=True,
                                 fuse_unk=True, unk_token="<unk>"))
        if kind == "prepend":
            t.normalizer = normalizers.Sequence([
                normalizers.Prepend("\u2581"),
                normalizers.Replace(" ", "\u2581")])
        else:
            t.pre_tokenizer = pre_tokenizers.Metaspace(
                prepend_scheme=kind, split=kind != "never")
        t.add_special_tokens(["<s>", "</s>"])
        t.add_tokens([AddedToken("return", normalized=kind == "always",
                                 lstrip=True),
                      AddedToken("if", normalized=kind == "prepend",
                                 lstrip=True, rstrip=True)])
        t.decoder = decoders.Sequence([
            decoders.Replace("\u2581", " "), decoders.ByteFallback(),
            decoders.Fuse(), decoders.Strip(" ", 1, 0)])
        t.save(path)
        return Library(Tokenizer.from_file(path))
    return make


P = pre_tokenizers
PIPELINES = {
    "nfkc": (normalizers.NFKC(), P.ByteLevel(add_prefix_space=True), []),
    "nfkd-lower": (normalizers.Sequence([normalizers.NFKD(),
                                         normalizers.Lowercase()]),
                   P.Sequence([P.Digits(individual_digits=True),
                               P.ByteLevel(add_prefix_space=False)]),
                   [AddedToken("McDonald", normalized=True)]),
    "nfd": (normalizers.NFD(),
            P.Sequence([P.Punctuation("contiguous"),
                        P.Digits(individual_digits=False),
                        P.ByteLevel(add_prefix_space=False)]),
            [AddedToken("the", single_word=True, lstrip=True),
             AddedToken("ABC", rstrip=True), AddedToken("ABCdef")]),
    "nfc-strip": (normalizers.Sequence([normalizers.Strip(),
                                        normalizers.NFC()]),
                  P.Sequence([P.Punctuation("isolated"),
                              P.ByteLevel(add_prefix_space=False,
                                          use_regex=False)]),
                  [AddedToken("\u0431", normalized=True, single_word=True),
                   AddedToken(" 1", normalized=False)]),
}


def pipeline(name):
    """MiniMind's pairs behind another pipeline."""
    def make(path):
        form, before, added = PIPELINES[name]
        t = Tokenizer.from_file(T + "minimind/tokenizer.json")
        t.normalizer, t.pre_tokenizer = form, before
        t.add_tokens(added)
        t.add_special_tokens([AddedToken("<s>", lstrip=name == "nfd"),
                              AddedToken("</s>", rstrip=name == "nfkc",
                                         single_word=name == "nfd")])
        t.post_processor = processors.TemplateProcessing(
            "<s> </s> $A </s>" if name == "nfd" else "<s> $A", special_tokens=[
                (token, t.token_to_id(token)) for token in ("<s>", "</s>")])
        t.save(path)
        return Library(Tokenizer.from_file(path))
    return make


for NAME in ("prepend", "always", "first", "never"):
    ALL["made-" + NAME + ".json"] = spaced(NAME)
for NAME in PIPELINES:
    ALL["made-" + NAME + ".json"] = pipeline(NAME)

PIECES = ["a", "B", "the", " the", "Hello", "'s", "'S", "'\u017f", "'ll",
          "'LL", "'Ve", "'", "don't", " ", "  ", "   ", "\t", "\n", "\r\n",
          "\r", "\n\n", "\x0b", "\x85", "\xa0", "\u2028", "\u3000", "1",
          "12", "123", "1234567", "\u0664", "\xb2", "\u2167", "!", "...",
          "/", "//", "?!", "$", "_", "\u4e2d\u6587", "\u304b\u3099",
          "\u1100\u1161\u11a8", "\uac00", "e\u0301", "\u00e9", "\u0301",
          "\u0327\u0301", "\u01c5", "\u02b0", "\u0431\u0411", "\u05d0\u05b0",
          "\u0627\u0644", "\U0001f600", "\U0001f468\u200d\U0001f469",
          "\ufe0f", "\U0001d400", "\ufeff", "\x00", "\x7f", "\u0130",
          "\ufb01", "\u212b", "McDonald", "ABCdef", "aBcD", "<|endoftext|>",
          "<|im_start|>", "return x;", "{\"a\": 1}", "    if", "\u2581",
          "\ue000", "\ud7a5", "\U000e0041", "\U00020000", "\U0010ffff"]


# What spells special tokens, some of them not quite.
SPECIAL = ["<s>", "</s>", " <s> ", "<s", "<|endoftext|>", "<|endoftext|",
           "<|im_start|>", "\n<|im_end|>", "<|fim_prefix|>", "<|fim_suffix|>",
           "<|endofprompt|>", "<|begin_of_text|>", "<|end_of_text|>",
           "<|start_header_id|>", "<|eot_id|>"]


# Source code: what Python's own library has at its top.
SOURCES = [open(path, encoding="utf-8", newline="").read() for path in
           sorted(glob.glob(os.path.dirname(os.__file__) + "/*.py"))]


# What is no UTF-8: alone, cut, too long, surrogates, beyond the last.
BROKEN = [b"\x80", b"\xbf\xbf", b"\xc3", b"\xe4\xb8", b"\xf0\x9f\x98",
          b"\xc0\x80", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
          b"\xf8\x88\x80\x80\x80", b"\xff", b"\xfe"]


def strings(count, pieces, empty):
    draw = random.Random(5)
    for _ in range(count):
        yield empty.join(draw.choices(pieces, k=draw.randrange(1, 12)))


def sources():
    for path in (__file__, "include/longhand.h", "src/base/json.c"):
        yield open(path, encoding="utf-8").read()
    yield from SOURCES
    yield json.dumps(SOURCES[:9], indent=1)
    yield json.dumps([{"line": n, "text": line, "words": line.split()}
                      for n, line in enumerate(SOURCES[9].split("\n"))],
                     ensure_ascii=False)


def texts():
    for path in sorted(glob.glob(DATA + "/text/*.txt")):
        yield open(path, encoding="utf-8", newline="").read()
    step = int(os.environ.get("LH_CODES", "1"))
    for code in [*range(0, 0x3000), *range(0x3000, 0x110000, step)]:
        if not 0xd800 <= code < 0xe000:
            c = chr(code)
            yield c
            yield f" {c} \n1{c}1\n{c}{c}\na{c}b\nA{c}\n '{c}s 's{c}"
    yield from strings(STRINGS, PIECES, "")
    yield from sources()


def gguf():
    """The vocabularies in GGUF files, or the raw files where there is none:
    their .out on their .inp."""
    bad = 0
    raw = {"llama-bpe": T + "llama3.2/encoder.json",
           "qwen2": T + "qwen2/vocab.json"}
    for out in sorted(glob.glob(DATA + "/vocab-gguf/*.gguf.out")):
        path = raw.get(out[:-9].split("ggml-vocab-")[1], out[:-4])
        texts = open(out[:-4] + ".inp", "rb").read().split(
            b"\n__ggml_vocab_test__\n")
        wanted = [[int(i) for i in line.split()] for line in
                  open(out).read().split("\n")]
        for text, a, b in zip(texts, ours(path, texts), wanted):
            if a != b:
                bad += 1
                print(f"{path}: {text!r}: {a}, not {b}")
    return bad


def known():
    """The lines of tests/vocabularies.txt, which tests/test_vocabularies.c
    compares with where there is no library: hashes of the ids of texts."""
    some = [open(f"{DATA}/text/{name}.txt", encoding="utf-8",
                 newline="").read()
            for name in ("names", "botchan", "tinyshakespeare")]
    some.append("".join(
        " @ \n1@1\n@@\na@b\nA@\n '@s 's@".replace("@", chr(code))
        for code in [*range(0, 0x3000), *range(0x3000, 0x110000, 31)]
        if not 0xd800 <= code < 0xe000))
    bad, lines = 0, open("tests/vocabularies.txt").read().split("\n")
    for name in ALL:
        if name.startswith("made"):
            continue
        line = f"{name:24}"
        for ids in ALL[name](T + name).encode(some):
            value = 0xcbf29ce484222325
            for i in ids:
                value = (value ^ i) * 0x100000001b3 & (1 << 64) - 1
            line += f" {(value ^ value >> 32) & (1 << 32) - 1:08x}"
        if line not in lines:
            bad += 1
            print(f"tests/vocabularies.txt lacks: {line}")
    return bad


def training():
    """Merges, and the ids of a text by what was saved."""
    bad = 0
    path = BUILD + "/trained.json"
    for name in ("names.txt", "botchan.txt", "tinyshakespeare.txt",
                 "source code"):
        text = "".join(SOURCES)[:3000000] if " " in name else open(
            f"{DATA}/text/{name}", encoding="utf-8", newline="").read()
        for documents, vocabulary in (([text], 300), ([text], 4000),
                                      ([text], 32000),
                                      (text.split("\n"), 8000)):
            t = Tokenizer(models.BPE())
            t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            t.train_from_iterator(documents, trainers.BpeTrainer(
                vocab_size=vocabulary, min_frequency=0, show_progress=False,
                special_tokens=["<|endoftext|>"],
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
            tool("train", str(vocabulary), path,
                 texts=[d.encode() for d in documents])
            theirs = json.loads(t.to_str())["model"]
            mine = json.load(open(path))["model"]
            same = theirs["vocab"] == mine["vocab"] and [
                tuple(m) for m in theirs["merges"]] == [
                tuple(m) for m in mine["merges"]]
            back = Tokenizer.from_file(path).encode(text).ids
            same &= back == ours(path, [text.encode()])[0] == \
                t.encode(text).ids
            if not same:
                bad += 1
                print(f"{name}, {vocabulary} tokens: another tokenizer")
    return bad


SAVED = ["tokenizers/" + name for name in ALL if not name.startswith("made")]


def saving():
    """What is read and saved, loaded by the library: the same ids, added
    tokens where they were, and the text again."""
    bad = 0
    path = BUILD + "/saved.json"
    some = [*strings(5000, PIECES, ""), *sources()]
    made = [BUILD + "/" + name for name in ALL if name.startswith("made") and
            "symbols" not in name]      # which tokenizer.json cannot say
    ggufs = glob.glob(DATA + "/vocab-gguf/*.gguf")
    for name in [DATA + "/" + name for name in SAVED] + made + sorted(ggufs):
        tool("save", name, path)
        library = Library(Tokenizer.from_file(path))
        for token in json.load(open(path))["added_tokens"]:
            if library.tokenizer.token_to_id(token["content"]) != token["id"]:
                bad += 1
                print(f"saved {name}: {token} has another id")
        theirs = library.encode(some)
        bad += unlike("saved " + name, some,
                      ours(name, [t.encode() for t in some]), theirs)
    return bad


def place(name):
    return (BUILD + "/" if name.startswith("made-") else T) + name


def specials(name, theirs):
    """How many texts have other ids where special tokens are tokens, and
    where those around a text are asked for."""
    bad = 0
    some = list(strings(20000, PIECES + 4 * SPECIAL, ""))
    for what, encode in (("special", theirs.special),
                         ("frame", theirs.framed)):
        if encode:
            bad += unlike(f"{name}, {what}", some, ours(
                place(name), [t.encode() for t in some], what), encode(some))
    return bad


def differing(name, theirs, some):
    """How many of the texts, str or bytes, have other ids, or another text
    when decoded."""
    known = [t if isinstance(t, bytes) else t.encode() for t in some]
    lists = theirs.encode(some)
    back = theirs.normal if isinstance(some[0], str) else None
    said = []
    for text, ids in zip(some, lists):
        said.append(struct.pack("<I", len(ids)))
        said.append(array.array("i", ids).tobytes())
        if back:
            decoded = back(text).encode()
            said.append(struct.pack("<I", len(decoded)))
            said.append(decoded)
    if tool("back" if back else "ids", place(name), texts=known) == \
            b"".join(said):
        return 0
    bad = unlike(name, some, ours(place(name), known), lists)
    if not bad:
        print(f"{name}: decodes to other texts, from {some[0][:60]!r} on")
    return max(1, bad)


def compare(name):
    """Whether a tokenizer does as its library does."""
    theirs = ALL[name](place(name))
    every = [texts()]
    if isinstance(theirs, Pieces):
        every.append(strings(STRINGS // 10, BROKEN + [p.encode() for p in
                                                      PIECES], b""))
    count, bad = 0, specials(name, theirs)
    for kind in every:
        while some := list(itertools.islice(kind, 100000)):
            count += len(some)
            bad += differing(name, theirs, some)
    return f"{name}: {count} texts, {bad} differ", bad


def check(job):
    if job in ALL:
        return compare(job)
    bad = {"gguf": gguf, "known": known, "training": training,
           "saving": saving}[job]()
    return f"{job}: {bad} differ", bad


def main():
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    jobs = [name for name in ALL if not ONLY or name in ONLY]
    failed = 0
    with multiprocessing.Pool() as pool:
        for said, bad in pool.imap(check, ["training", "gguf", "known",
                                           *jobs]):
            print(said, flush=True)
            failed += bad > 0
    if not ONLY:
        said, bad = check("saving")          # the files made by the others
        print(said)
        failed += bad > 0
    print(f"{len(jobs) + 3 + (not ONLY) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
