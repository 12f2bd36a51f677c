"""The tokenizer.json that we write, against Hugging Face's tokenizers.

    build/tests/test_tokenizer --samples DIR
    python tests/oracle_tokenizers.py DIR      (tokenizers 0.23.3)
    build/tests/test_tokenizer --read DIR/NAME.saved

For each NAME.json in DIR: the library loads it, gives NAME-<i>.ids for
NAME-<i>.text, decodes them back, and what it saves (left as NAME.saved for
our reader) says the same again.  A literal "<|endoftext|>" in a text is the
border over there, so the samples are encoded with special tokens taken as
plain text.  With --model, DIR is a model's directory: its tokenizer.json
must load and round-trip names.
"""

import json
import pathlib
import sys

from tokenizers import Tokenizer

BORDER = "<|endoftext|>"
failed = 0


def check(fine, what):
    global failed
    if not fine:
        failed += 1
        print("failed:", what)


def same_ids(tokenizer, name, text, ids):
    # Text of its own, not the border spelled out.
    tokenizer.encode_special_tokens = True
    got = tokenizer.encode(text).ids
    check(got == ids, f"{name}: {text!r}: got {got}, wanted {ids}")
    tokenizer.encode_special_tokens = False
    back = tokenizer.decode(ids, skip_special_tokens=False)
    check(back == text, f"{name}: {ids} decoded to {back!r}")


def compare(path):
    name = path.stem
    tokenizer = Tokenizer.from_file(str(path))
    again = Tokenizer.from_str(tokenizer.to_str())
    wanted = json.loads(path.read_text(encoding="utf-8"))
    vocab = wanted["model"]["vocab"]
    border = len(vocab)
    check(tokenizer.token_to_id(BORDER) == border, f"{name}: the border's id")
    check(tokenizer.get_vocab_size() == border + 1, f"{name}: its size")
    check(tokenizer.encode(BORDER).ids == [border], f"{name}: the border")
    check(all(tokenizer.token_to_id(t) == i for t, i in vocab.items()),
          f"{name}: its vocabulary")
    texts = sorted(path.parent.glob(name + "-*.text"))
    check(texts, f"{name}: no samples")
    for sample in texts:
        text = sample.read_bytes().decode("utf-8")
        ids = [int(line) for line in
               sample.with_suffix(".ids").read_text().split()]
        same_ids(tokenizer, name, text, ids)
        same_ids(again, name + " saved again", text, ids)
    (path.parent / (name + ".saved")).write_text(tokenizer.to_str(),
                                                 encoding="utf-8")
    return len(texts)


def load_model(directory):
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    for text in ("anna", "zoe", "ibrahim"):
        ids = tokenizer.encode(text).ids
        check(len(ids) == len(text), f"{text}: {ids}")
        check(tokenizer.decode(ids) == text, f"{text}: decoded")
    return 3


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--model":
        texts = load_model(pathlib.Path(sys.argv[2]))
    elif len(sys.argv) == 2:
        paths = sorted(pathlib.Path(sys.argv[1]).glob("*.json"))
        check(paths, "no *.json in " + sys.argv[1])
        texts = sum(compare(path) for path in paths)
    else:
        print(__doc__, file=sys.stderr)
        return 2
    print(f"oracle_tokenizers: {texts} texts, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
