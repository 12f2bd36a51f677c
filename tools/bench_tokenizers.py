"""The tokenizers beside their peers: rows of `make bench-peers`.

    python tools/bench_tokenizers.py [--rounds N] BUILD TEXT [ROW...]

TEXT is tools/bench_text.py's; LONGHAND_TEST_DATA names the folder with the
tokenizers' files.  Each row alternates with its opponents, those of
tests/tokenizers.txt and bench/tokenizers.txt, as in tools/bench_peers.py; 5
rounds.  All times are of calls in a process that has text and tokenizer; one
thread, where a row does not say more.  A ROW given selects the rows that
begin with it.
"""
import base64
import os
import subprocess
import sys
import time

import bench_peers
from bench_peers import Row

DATA = os.environ.get("LONGHAND_TEST_DATA", "../shared/data") + "/tokenizers/"
DOCUMENT = 4096


class Bench:
    """Our tokenizers in processes of 1 and 2 threads, and what is shared."""
    factor = 1.0

    def __init__(self, build, path):
        self.build, self.path = build, path
        with open(path, "rb") as f:
            self.bytes = f.read()
        self.text = self.bytes.decode()
        self.running, self.counts = {}, {}

    def documents(self):
        """The text in documents, as tools/bench_tokenizer.c cuts it."""
        found, at = [], 0
        while at < len(self.bytes):
            end = self.bytes.find(b"\n", at + DOCUMENT) + 1
            end = end or len(self.bytes)
            found.append(self.bytes[at:end].decode())
            at = end
        return found

    def ask(self, threads, *lines):
        """The numbers of the last line's answer."""
        if threads not in self.running:
            self.running[threads] = subprocess.Popen(
                [self.build + "/tools/bench_tokenizer", str(threads)],
                text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process = self.running[threads]
        for line in lines:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            answer = process.stdout.readline().split()
        return [float(x) for x in answer]

    def ours(self, tokenizer, work, threads=1, least=0, again=False):
        """A measurement of a work with a tokenizer, the first or the second
        time; what comes out of it is noted as the row's."""
        def once():
            seconds, count = self.ask(
                threads, f"text {self.path} {least}",
                f"load {tokenizer} -", *[work] * (1 + again))[:2]
            self.counts[tokenizer, least] = count
            return seconds, None
        return once

    def saved(self, name):
        """A tokenizer as tokenizer.json, which the others read."""
        path = f"{self.build}/bench-{name.split('/')[0]}.json"
        subprocess.run([self.build + "/tests/tool_tokenizer", "save",
                        DATA + name, path], check=True,
                       stdin=subprocess.DEVNULL)
        return path

    def timed(self, encode, count, tokenizer, least=0):
        """Seconds of a peer's call; says where its ids are not as many."""
        begun = time.perf_counter()
        ids = encode()
        seconds = time.perf_counter() - begun
        mine = self.counts.get((tokenizer, least))
        if mine is not None and count(ids) != mine:
            print(f"{tokenizer}: {mine:.0f} ids here, {count(ids)} there")
        return seconds


# ---------------------------------------------------------------- peers ----

def tiktoken_peer(bench, path):
    import tiktoken
    from tiktoken_ext import openai_public
    ranks = {}
    with open(path, "rb") as f:
        for line in f:
            token, rank = line.split()
            ranks[base64.b64decode(token)] = int(rank)
    openai_public.load_tiktoken_bpe = lambda *a, **k: ranks
    openai_public.data_gym_to_mergeable_bpe_ranks = lambda *a, **k: ranks
    name = os.path.basename(path).split(".")[0]
    pattern = getattr(openai_public, name)()["pat_str"]
    encoding = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks,
                                 special_tokens={})
    return lambda: bench.timed(lambda: encoding.encode_ordinary(bench.text),
                               len, path)


def gigatoken_peers(bench, path):
    """Cold: nothing has been encoded yet; warm: this text has.  The better
    of its two sources."""
    import gigatoken

    def load():
        if path.endswith(".tiktoken"):
            name = os.path.basename(path).split("_")[0]
            return gigatoken.Tokenizer.from_tiktoken(
                path, {"r50k": "gpt2"}.get(name, name), {})
        if path.endswith(".model"):
            return gigatoken.Tokenizer.from_sentencepiece(path)
        return gigatoken.Tokenizer(path)

    def both(first, second):
        return min(
            bench.timed(lambda: first.encode_batch(
                gigatoken.BytesSource([bench.bytes]), parallel=False),
                lambda ids: len(ids[0]), path),
            bench.timed(lambda: second.encode_files(
                gigatoken.TextFileSource([bench.path]), parallel=False),
                lambda ids: len(ids[0]), path))

    def warm():
        tokenizer = load()
        both(tokenizer, tokenizer)
        return lambda: both(tokenizer, tokenizer)
    return {"gigatoken, cold": lambda: lambda: both(load(), load()),
            "gigatoken, warm": warm}


def library_peer(bench, path):
    from tokenizers import Tokenizer
    tokenizer, documents = Tokenizer.from_file(path), bench.documents()
    tokenizer.encode_special_tokens = True

    def once():
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        return bench.timed(
            lambda: tokenizer.encode_batch_fast(documents,
                                                add_special_tokens=False),
            lambda all: sum(len(e.ids) for e in all), path, DOCUMENT)
    return once


def pieces_peer(bench, path):
    import sentencepiece
    model = sentencepiece.SentencePieceProcessor(model_file=path)
    return lambda: bench.timed(lambda: model.encode(bench.text, num_threads=1),
                               len, path)


def trainer_peer(bench, vocabularies):
    """BpeTrainer, all its threads: the last of the vocabularies, less the
    first if there are two."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    documents = bench.documents()

    def train(vocabulary):
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(
            add_prefix_space=False)
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary, special_tokens=["<|endoftext|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False, min_frequency=0)
        begun = time.perf_counter()
        tokenizer.train_from_iterator(documents, trainer)
        return time.perf_counter() - begun

    def once():
        os.environ["TOKENIZERS_PARALLELISM"] = "true"
        times = [train(v) for v in vocabularies]
        return times[-1] - (times[0] if len(times) > 1 else 0)
    return once


# ----------------------------------------------------------------- rows ----

def encode_rows(bench):
    llama3, qwen2 = (bench.saved(name) for name in ("llama3.2/encoder.json",
                                                    "qwen2/vocab.json"))
    for path, name, least in (
            (DATA + "r50k_base.tiktoken", "gpt2", 1.25),
            (DATA + "o200k_base.tiktoken", "o200k", 1.25),
            (llama3, "llama3", 1.1), (qwen2, "qwen2", 1.1),
            (DATA + "llama2/tokenizer.model", "llama2", 1.25)):
        peers, ratio = gigatoken_peers(bench, path), {}
        if path.endswith(".tiktoken"):
            peers["tiktoken"] = lambda path=path: tiktoken_peer(bench, path)
            ratio["tiktoken"] = 40 if name == "gpt2" else 20
        if name == "llama2":
            peers["sentencepiece"] = lambda: pieces_peer(bench, path)
            ratio["sentencepiece"] = 10
        warm = {"gigatoken": peers.pop("gigatoken, warm")}
        peers["gigatoken"] = peers.pop("gigatoken, cold")
        ratio["gigatoken"] = least
        for again in (False, True):
            yield Row(f"tokenizer {'again' if again else 'encode'} {name}", 1,
                      bench.ours(path, "encode", again=again),
                      {**peers, **(warm if again else {})}, ratio=ratio)
    for path, name in ((llama3, "llama3"), (qwen2, "qwen2")):
        yield Row(f"tokenizer documents {name}", 1,
                  bench.ours(path, "batch", least=DOCUMENT, again=True),
                  {"tokenizers": lambda path=path: library_peer(bench, path)},
                  ratio={"tokenizers": 60})


def other_rows(bench):
    size = len(bench.bytes)
    for file, name in (("r50k_base", "gpt2"), ("o200k_base", "o200k")):
        path = f"{DATA}{file}.tiktoken"
        for again in (False, True):
            yield Row(f"tokenizer batch {name}" + " again" * again, 2,
                      bench.ours(path, "batch", 2, again=again),
                      {"own, 1 thread": lambda path=path, again=again:
                       lambda: bench.ours(path, "batch", again=again)()[0]},
                      ratio={"own, 1 thread": 1.9})

        def decode(path=path):
            bench.ours(path, "batch")()
            return bench.ask(1, "decode 65536")[0], None
        yield Row(f"tokenizer decode {name}", 1, decode, least=size / 1.5e9)

    def train(*vocabularies):
        def once():
            bench.ask(2, f"text {bench.path} {DOCUMENT}")
            times = [bench.ask(2, f"train {v}")[0] for v in vocabularies]
            return times[-1] - (times[0] if len(times) > 1 else 0), None
        return once
    yield Row("tokenizer train 32000 merges", 2, train(32257),
              {"tokenizers": lambda: trainer_peer(bench, [32257])},
              ratio={"tokenizers": 20})
    yield Row("tokenizer train 300 to 32000", 2, train(557, 32257),
              {"tokenizers": lambda: trainer_peer(bench, [557, 32257])})
    for path, name, least in (
            (DATA + "o200k_base.tiktoken", "o200k", 30e-3),
            (bench.saved("llama3.2/encoder.json"), "llama3.json", 60e-3)):
        yield Row(f"tokenizer load {name}", 1, lambda path=path: (
            bench.ask(1, f"load {path} -")[0], None), least=least)


def main():
    words = sys.argv[1:]
    bench_peers.ROUNDS = 5
    if words[:1] == ["--rounds"]:
        bench_peers.ROUNDS, words = int(words[1]), words[2:]
    if len(words) < 2:
        sys.exit(__doc__)
    if not os.path.exists(DATA + "o200k_base.tiktoken"):
        sys.exit("SKIPPED: the tokenizers' rows: no folder tokenizers/ in"
                 " LONGHAND_TEST_DATA")
    bench, wanted = Bench(*words[:2]), " ".join(words[2:])
    size, good, rows = len(bench.bytes), 0, 0
    print(f"{size / 1e6:.1f} MB of text and code; medians of"
          f" {bench_peers.ROUNDS} rounds [the least, the most]\n")
    begun, before = time.time(), bench_peers.busy()
    for make in (encode_rows, other_rows):
        for row in make(bench):
            if row.name.startswith(wanted):
                good += bench_peers.measure(bench, row)
                rows += 1
    print(f"\n{good} of {rows} reached, {time.time() - begun:.0f} s")
    bench_peers.noise(bench, before)


main()
