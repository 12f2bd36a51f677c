"""A model of names after a second and after ten, beside microgpt's recipe.

    python tools/bench_names.py build/longhand names.txt

Duplicates are removed; a name is held out where the FNV-1a hash of its bytes
is a multiple of ten.  Each run is a whole command on one thread; the loss is
the mean of nats over the held-out names' letters and ends.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

FAST = "--preset micro --recipe fast --batch 128 --eval-every 100000"
RUNS = (
    ("microgpt's recipe, 1,000 steps", "--preset micro --batch 1 --steps"
     " 1000"),
    ("1 second", FAST + " --width 48 --steps 460"),
    ("10 seconds", FAST + " --layers 2 --width 64 --steps 1800 --dropout 0.05"
     " --compatible"),
)


def held_out(name):
    value = 0xcbf29ce484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001b3 & (1 << 64) - 1
    return value % 10 == 0


def run(program, training, rest, options, seed):
    begin = time.perf_counter()
    text = subprocess.run(
        [program, "train", training, "--held-out", rest, "--tokenizer",
         "characters", "--documents", "lines", "--threads", "1", "--count",
         "0", "--json", "--seed", str(seed), *options.split()],
        check=True, capture_output=True, text=True).stdout
    return (time.perf_counter() - begin,
            json.loads(text.splitlines()[-1])["held_out_loss"])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[2], encoding="utf-8") as f:
        names = list(dict.fromkeys(x for x in map(str.strip, f) if x))
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, x) for x in ("training", "held-out")]
        for path, out in zip(paths, (False, True)):
            with open(path, "w", encoding="utf-8") as f:
                f.writelines(x + "\n" for x in names if held_out(x) == out)
        print(f"{len(names)} names, {sum(map(held_out, names))} held out;"
              " seeds 1, 2, 3")
        for what, options in RUNS:
            found = [run(sys.argv[1], *paths, options, seed)
                     for seed in (1, 2, 3)]
            print(f"{what:<31} {max(x for x, _ in found):5.2f} s at most  "
                  + "  ".join(f"{x:.4f}" for _, x in found)
                  + f"   {options}")


if __name__ == "__main__":
    main()
