"""A text to measure tokenizers with, out of what the packages of Python
environments hold.

    python tools/bench_text.py OUT [FOLDER...]

Takes the text and code of this Python's standard library and of each
FOLDER (an environment's packages), every content once, without those that
spell special tokens, in the order of their SHA-256 so that all kinds are
mixed, until 64 MB are full.  The same packages
give the same text.  OUT.list has the hash, the bytes and the name of each
part.
"""
import hashlib
import os
import re
import sys
import sysconfig

BYTES = 64_000_000
LARGEST = 1 << 19                # beyond, files are tables more than text
ENDINGS = (".py", ".pyi", ".pyx", ".pxd", ".c", ".cc", ".cpp", ".cu", ".cuh",
           ".h", ".hpp", ".js", ".css", ".html", ".json", ".md", ".rst",
           ".txt", "METADATA", "LICENSE")
SPECIAL = re.compile(rb"<\||</?s>|<unk>")


def parts(folder):
    """(hash, name, content) of what is valid UTF-8."""
    for path, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if f not in (
            "__pycache__", "site-packages")]
        for name in files:
            name = os.path.join(path, name)
            if not name.endswith(ENDINGS) or os.path.islink(name) or \
                    os.path.getsize(name) > LARGEST:
                continue
            with open(name, "rb") as f:
                content = f.read()
            try:
                content.decode("utf-8")
            except UnicodeDecodeError:
                continue
            if SPECIAL.search(content):
                continue
            yield (hashlib.sha256(content).hexdigest(),
                   os.path.relpath(name, folder), content)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    found = {}
    for folder in [sysconfig.get_path("stdlib")] + sys.argv[2:]:
        for key, name, content in parts(folder):
            if key not in found or name < found[key][0]:
                found[key] = name, content
    size = 0
    with open(sys.argv[1], "wb") as out, \
            open(sys.argv[1] + ".list", "w", encoding="utf-8") as listed:
        for key, (name, content) in sorted(found.items()):
            if size >= BYTES:
                break
            out.write(content)
            listed.write(f"{key}\t{len(content)}\t{name}\n")
            size += len(content)
    whole = hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()
    print(f"{sys.argv[1]}: {size:,} bytes, SHA-256 {whole}")
    if size < BYTES:
        print(f"THE TEXT IS SHORT of {BYTES:,} bytes: give more packages")


main()
