"""Longhand beside its peers, in one run on one machine: `make bench-peers`.

    python tools/bench_peers.py [--rounds N] build/longhand \
        build/tools/bench_blas [ROW...]

Each row alternates with its opponents, the same threads, medians of 7 rounds
with the least and the most in brackets.  Opponents: PyTorch (pinned in
tests/requirements.txt), MKL (bench/requirements.txt), OpenBLAS and BLIS
(Debian's packages, used where they are installed, else fetched beside, else
missed loudly), a scalar autograd engine in plain Python, and the micro model
written by hand in C (bench_fused.c, one program for each width beside
bench_blas).  The matrix products are called through each library's C
interface.  A ROW given selects
the rows that begin with it.
"""
import ctypes.util
import functools
import glob
import json
import math
import os
import statistics
import subprocess
import sys
import time

ROUNDS = 7
SIZES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
FORMS = ("nt", "nn", "tn")


class Bench:
    """`longhand bench`, and what this run knows of the machine."""

    def __init__(self, program, blas_tool):
        self.program, self.blas_tool = program, blas_tool
        self.libraries = {}            # name: path
        self.running = {}              # (name, threads): process
        self.factor = 1.0              # of a share that is to be reached

    def rows(self, work, threads, seconds):
        """{work: {"seconds": ..., "share": ...}} of one call."""
        text = subprocess.run(
            [self.program, "bench", work, "--json", "--threads",
             str(threads), "--seconds", str(seconds)],
            check=True, capture_output=True, text=True).stdout
        return {row["work"]: row for row in map(json.loads,
                                                text.splitlines())}

    def ours(self, works, threads, seconds=0.1):
        """A measurement: the seconds of all works together, their share."""
        works = [works] if isinstance(works, str) else works

        def once():
            total, share = 0.0, None
            for work in works:
                row = self.rows(work, threads, seconds)[work]
                total += row["seconds"]
                share = row.get("share")
            return total, share if len(works) == 1 else None
        return once

    # ---------------------------------------------------------- libraries --

    def find_libraries(self):
        """MKL of this Python's environment; Debian's OpenBLAS and BLIS."""
        mkl = sorted(glob.glob(os.path.join(sys.prefix, "lib",
                                            "libmkl_rt.so*")))
        if mkl:
            self.libraries["MKL"] = mkl[0]
        else:
            print("MKL is not here: pip install -r bench/requirements.txt")
        beside = os.path.join(sys.prefix, "debian")
        for name, package, path in (
                ("OpenBLAS", "libopenblas0-pthread",
                 "openblas-pthread/libopenblas.so.0"),
                ("BLIS", "libblis4-pthread", "blis-pthread/libblis.so.4")):
            found = self.debian(path, "/") or self.debian(path, beside)
            if not found:
                fetch(package, beside)
                found = self.debian(path, beside)
            if not found:
                short = os.path.basename(path).split(".")[0][3:]
                found = ctypes.util.find_library(short)
            if found:
                self.libraries[name] = found
            else:
                print(f"{name} IS MISSING, its column is empty:"
                      f" apt-get install {package}")

    @staticmethod
    def debian(path, root):
        found = glob.glob(os.path.join(root, "usr/lib/*", path))
        return found[0] if found else None

    def blas(self, name, products, threads, seconds=0.05):
        """A measurement of (form, m, n, k, count) in a library."""
        key = name, threads
        if key not in self.running:
            folder = os.path.dirname(self.libraries[name])
            beside = [folder, os.path.dirname(folder), os.path.join(
                sys.prefix, "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
            env = dict(os.environ, LD_LIBRARY_PATH=":".join(beside),
                       KMP_BLOCKTIME="1")
            for variable in ("MKL", "OPENBLAS", "BLIS", "OMP"):
                env[variable + "_NUM_THREADS"] = str(threads)
            if has_avx512():           # older than this CPU, they choose less
                env.update(OPENBLAS_CORETYPE="SkylakeX", BLIS_ARCH_TYPE="0")
            self.running[key] = subprocess.Popen(
                [self.blas_tool, self.libraries[name]], text=True, env=env,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process = self.running[key]

        def once():
            total = 0.0
            for form, m, n, k, count in products:
                process.stdin.write(f"{form} {m} {n} {k} {seconds}\n")
                process.stdin.flush()
                total += count * float(process.stdout.readline())
            return total
        return once

    def fused(self, width, batch, seconds=0.1):
        """A measurement of a name in the micro model written by hand."""
        key = "fused", width
        if key not in self.running:
            here = os.path.dirname(os.path.abspath(__file__))
            self.running[key] = subprocess.Popen(
                [os.path.join(os.path.dirname(self.blas_tool),
                              f"bench_fused{width}"),
                 os.path.join(here, "names.txt")], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process = self.running[key]

        def once():
            process.stdin.write(f"{batch} {seconds}\n")
            process.stdin.flush()
            return float(process.stdout.readline().split()[0])
        return once

    def clock(self):
        """GHz, by a chain of multiplications of known latency."""
        text = subprocess.run([self.blas_tool, "clock"], check=True,
                              capture_output=True, text=True).stdout
        return float(text)


def has_avx512():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        return "avx512f" in f.read()


def fetch(package, beside):
    """A Debian package unpacked beside, which needs no rights."""
    os.makedirs(beside, exist_ok=True)
    needs = ["libgfortran5", "libquadmath0"] * ("openblas" in package)
    for name in [package] + needs:
        quiet = dict(cwd=beside, stdout=subprocess.DEVNULL,
                     stderr=subprocess.DEVNULL)
        try:
            subprocess.run(["apt-get", "download", name], check=True, **quiet)
            for deb in glob.glob(os.path.join(beside, name + "_*.deb")):
                subprocess.run(["dpkg", "-x", deb, beside], check=True)
        except (OSError, subprocess.CalledProcessError):
            return


# ------------------------------------------------------------- the rows ----

class Row:
    """A work, its opponents and what is to be reached.

    ours: a measurement giving (seconds, share); peers: {name: what makes a
    measurement}.  To be reached: share, of fma alone or (memory) of reading
    alone; ratio, {peer, or "best" of them: times as fast}; least, seconds."""

    def __init__(self, name, threads, ours, peers=None, share=None,
                 ratio=None, least=None, memory=False):
        self.name, self.threads, self.ours = name, threads, ours
        self.peers, self.share, self.ratio = peers or {}, share, ratio or {}
        self.least, self.memory = least, memory


def gemm_rows(bench):
    small = {16: 0.40, 32: 0.60, 64: 0.80, 128: 0.88, 256: 0.92}
    for threads in (1, 2):
        for n in SIZES:
            for form in FORMS:
                if threads == 2 and n < 512:
                    continue
                share = small.get(n, 0.95 if threads == 1 else 0.93)
                work = f"gemm {n} {form} f32"
                peers = {name: lambda name=name, n=n, form=form,
                         threads=threads: bench.blas(
                             name, [(form, n, n, n, 1)], threads)
                         for name in bench.libraries
                         if n <= 1024 or form == "nt"}
                yield Row(work, threads, bench.ours(work, threads, 0.05),
                          peers, share, {"best": 1.0} if n <= 256 else None)


def products_rows(bench):
    """Every product of a step; its opponent is the library that is best at
    1024."""
    best = min(bench.libraries, default=None, key=lambda name: bench.blas(
        name, [("nt", 1024, 1024, 1024, 1)], 1)())
    for preset in ("nano", "small", "gpt2"):
        for threads in (1, 2):
            work = f"products {preset} f32"

            def all_of(preset=preset, threads=threads, work=work):
                def once():
                    row = bench.rows(work, threads, 0.02)[work]
                    return row["seconds"], row["share"]
                return once

            def peer(work=work, threads=threads):
                products = []
                for name in bench.rows(work, threads, 0.001):
                    *_, form, shape, count = name.split(" ")
                    if form in FORMS:
                        products.append((form, *map(int, shape.split("x")),
                                         int(count[1:])))
                return bench.blas(best, products, threads, 0.02)
            yield Row(work, threads, all_of(), {best: peer} if best else {},
                      0.85)


def kernel_rows(bench):
    import bench_torch as torch
    for t, ratio in ((64, 3.0), (256, 2.2), (1024, 1.5)):
        for size in (32, 64):
            work = f"attention {t} head {size} f32"

            def ours(work=work):
                row = bench.rows(work, 1, 0.05)[work]
                return row["seconds"], row["share"]
            yield Row(work, 1, ours, {
                "PyTorch": lambda t=t, size=size: torch.attention(t, size, 1)
            }, ratio={"PyTorch": ratio})
    yield Row("cross_entropy 256x50257", 2, bench.ours(
        ["cross_entropy_forward 256x50257",
         "cross_entropy_backward 256x50257"], 2),
        {"PyTorch": lambda: torch.cross_entropy(256, 50257, 2)},
        ratio={"PyTorch": 8.0})
    for kernel in ("layer_norm_forward", "layer_norm_backward",
                   "gelu_tanh_forward", "gelu_tanh_backward", "gelu_forward",
                   "gelu_backward", "silu_forward", "silu_backward",
                   "exp_forward"):
        for rows, columns in ((64, 768), (4096, 4096)):
            work, cached = f"{kernel} {rows}x{columns}", rows == 64
            yield Row(work, 1, bench.ours(work, 1, 0.05), {
                "PyTorch": lambda kernel=kernel, rows=rows, columns=columns:
                torch.rows_of(kernel, rows, columns, 1)
            }, None if cached else 0.8, {"PyTorch": 2.0} if cached else None,
                memory=True)


def step_rows(bench):
    import bench_torch as torch
    reach = {("nano", "f32"): (None, 2.0), ("small", "f32"): (None, 1.25),
             ("small", "bf16"): (None, 1.4), ("gpt2", "f32"): (0.65, 1.5),
             ("gpt2", "bf16"): (None, 1.6)}
    for (preset, dtype), (share, ratio) in reach.items():
        work = f"step {preset} {dtype}"
        peers = {"PyTorch": lambda preset=preset, dtype=dtype:
                 torch.step(preset, dtype, 2)}
        ratios = {"PyTorch": ratio}
        if work == "step gpt2 bf16":
            f32 = bench.ours("step gpt2 f32", 2)
            peers["own f32"] = lambda f32=f32: lambda: f32()[0]
            ratios["own f32"] = 1.5
        yield Row(work, 2, bench.ours(work, 2), peers, share, ratios)


def learn_rows(bench):
    """From a text to a loss on its last tenth, in nats a character: whole
    runs of ours, the usual recipe's iterations as published, each as long as
    one of them takes (f32, and bf16 by autocast).  Measured once."""
    import bench_torch as torch
    text = os.path.join(os.environ.get("LONGHAND_TEST_DATA",
                                       "../shared/data"),
                        "text/tinyshakespeare.txt")
    if not os.path.exists(text):
        print("learn: SKIPPED, LONGHAND_TEST_DATA names no folder with it")
        return
    fast = "--preset nano --recipe fast --dtype bf16 --batch 24"
    for nats, options, preset, iterations, ratio in (
            (1.88, "--steps 40", "usual cpu", 2000, 15),
            (1.47, "--compatible --context 128 --dropout 0.1 --steps 1000",
             "usual", 5000, 10.7)):
        @functools.cache
        def ours(nats=nats, options=options):
            begin = time.perf_counter()
            last = subprocess.run(
                [bench.program, "train", text, "--held-out", "0.1",
                 "--count", "0", "--json", "--eval-every", "100000",
                 "--threads", "2", *fast.split(), *options.split()],
                check=True, capture_output=True,
                text=True).stdout.splitlines()[-1]
            seconds = time.perf_counter() - begin
            found = json.loads(last)["held_out_bits_per_byte"] * math.log(2)
            if found > nats:
                raise SystemExit(f"learn {nats}: only {found:.4f} nats")
            return seconds, None

        def peer(dtype, preset=preset, iterations=iterations):
            once = functools.cache(torch.step(preset, dtype, 2))
            return lambda: once() * iterations
        yield Row(f"learn {nats} nats", 2, ours, {
            "PyTorch": lambda peer=peer: peer("f32"),
            "PyTorch bf16": lambda peer=peer: peer("bf16"),
        }, ratio={"PyTorch": ratio, "PyTorch bf16": ratio})


def small_rows(bench):
    import bench_torch as torch
    from bench_scalar import scalar_name
    for work, width, batch, share in (
            ("micro 1", 16, 1, 0.25), ("micro 16", 16, 16, 0.40),
            ("micro 1 width 32", 32, 1, 0.42),
            ("micro 1 width 64", 64, 1, 0.55),
            ("micro 1 width 128", 128, 1, 0.65)):
        peers = {"fused C": lambda width=width, batch=batch: bench.fused(
            width, batch)}
        if work == "micro 1":
            peers["scalar engine"] = lambda: scalar_name(1)
        yield Row(work, 1, bench.ours(work, 1), peers, share)
    yield Row("node", 1, bench.ours("node", 1),
              {"PyTorch": lambda: torch.node(1)}, least=30e-9)
    yield Row("barrier", 2, bench.ours("barrier", 2), {}, least=200e-9)


# ---------------------------------------------------------------- table ----

def time_of(x):
    for unit, factor in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if x * factor >= 1:
            return f"{x * factor:.3g} {unit}"
    return f"{x * 1e9:.3g} ns"


def shown(times):
    return (f"{time_of(statistics.median(times))}"
            f" [{time_of(min(times))} {time_of(max(times))}]")


def verdict(bench, row, mine, shares, peers):
    """What was to be reached and was measured, and whether it was."""
    parts, fine = [], True

    def say(text, measured, wanted, good):
        nonlocal fine
        fine = fine and good
        parts.append(f"{text}{measured} of {wanted}")
    if shares and row.share:
        share, wanted = statistics.median(shares), row.share
        wanted *= 1 if row.memory else bench.factor
        say("share ", f"{share:.1%}", f"{wanted:.1%}", share >= wanted)
    elif shares:
        parts.append(f"share {statistics.median(shares):.1%}")
    if row.least:
        say("", time_of(statistics.median(mine)), time_of(row.least),
            statistics.median(mine) <= row.least)
    if peers:
        ratio = {name: statistics.median(y / x for x, y in zip(mine, theirs))
                 for name, theirs in peers.items()}
        for name, wanted in row.ratio.items():
            key = min(ratio, key=ratio.get) if name == "best" else name
            say(f"{key} ", f"{ratio[key]:.2f}x", f"{wanted:g}x",
                ratio[key] >= wanted)
        if not row.ratio:
            parts.append(", ".join(f"{name} {x:.2f}x"
                                   for name, x in ratio.items()))
    wanted = row.share or row.least or row.ratio
    mark = ("reached" if fine else "NOT REACHED") if wanted else ""
    return "; ".join(parts), mark


def measure(bench, row):
    peers = {name: make() for name, make in row.peers.items()}
    mine, shares, theirs = [], [], {name: [] for name in peers}
    for _ in range(ROUNDS):
        seconds, share = row.ours()
        mine.append(seconds)
        if share is not None:
            shares.append(share)
        for name, once in peers.items():
            theirs[name].append(once())
            if row.threads > 1:        # OpenBLAS's spin for 2^28 clocks more
                time.sleep(0.25)
    text, mark = verdict(bench, row, mine, shares, theirs)
    print(f"{row.name:<30} {row.threads}  {shown(mine):<30} {mark:<11} {text}")
    for name, times in theirs.items():
        # Written for this work, it does the same FLOPs.
        share = "" if name != "fused C" else ", share " + format(
            statistics.median(s * x / y for s, x, y in zip(
                shares, mine, times)), ".1%")
        print(f"{'':<30}    {shown(times):<30} {name}{share}")
    sys.stdout.flush()
    return not mark.startswith("NOT")


def memory(bench):
    """Peak resident memory of the 124M step, each in its own process."""
    def peak(command):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"bench_peers: {command[0]} failed")
        return usage.ru_maxrss / 1024 / 1024
    script = os.path.join(os.path.dirname(__file__), "bench_torch.py")
    mine = peak([bench.program, "bench", "step gpt2 f32", "--threads", "2",
                 "--seconds", "0.001"])
    theirs = peak([sys.executable, script, "step", "gpt2", "f32"])
    mark = "reached" if mine <= theirs else "NOT REACHED"
    print(f"{'memory gpt2 f32':<30} 2  {f'{mine:.2f} GiB at its peak':<30}"
          f" {mark:<11} no more than PyTorch")
    print(f"{'':<30}    {f'{theirs:.2f} GiB':<30} PyTorch", flush=True)
    return mine <= theirs


def busy():
    """Seconds of all CPUs: in all, not idle, stolen; this program's own."""
    with open("/proc/stat", encoding="utf-8") as f:
        ticks = [int(x) / os.sysconf("SC_CLK_TCK")
                 for x in f.readline().split()[1:9]]
    return (sum(ticks), sum(ticks) - ticks[3] - ticks[4], ticks[7],
            sum(os.times()[:4]))


def noise(bench, before):
    """What others took of the machine meanwhile."""
    for process in bench.running.values():
        process.stdin.close()
        process.wait()
    total, used, stolen, own = (b - a for a, b in zip(before, busy()))
    others = used - stolen - own
    print(f"meanwhile other processes took {max(others, 0) / total:.1%} of the"
          f" machine, and the host {stolen / total:.1%}")


def machine(bench):
    facts = subprocess.run([bench.program, "info"], check=True, text=True,
                           capture_output=True).stdout.splitlines()
    print("\n".join(facts[:4]))
    fma = bench.rows("fma", 1, 0.2)["fma"]["rate"]
    read = bench.rows("read", 1, 0.2)["read"]["rate"]
    clock = bench.clock()
    twice = fma / clock > 48
    if twice:
        bench.factor = 0.9
    print(f"{os.cpu_count()} cores at {clock:.2f} GHz; one core's fma loop"
          f" {fma:.0f} GFLOP/s ({fma / clock:.0f} a cycle"
          f"{', so 0.9 of each share is enough' if twice else ''}), reading"
          f" {read:.0f} GB/s\nmedians of {ROUNDS} rounds [the least, the"
          " most]; shares of the fma loop, or of reading, in turn with the"
          " work")
    print("libraries: " + ", ".join(
        f"{name} ({os.path.basename(os.path.realpath(path))})"
        for name, path in bench.libraries.items()) +
        ("; the last two told to use their AVX-512 kernels"
         if has_avx512() else ""))
    try:
        import torch
        print(f"PyTorch {torch.__version__},"
              f" {torch.backends.cpu.get_cpu_capability()}")
    except ImportError:
        raise SystemExit("PyTorch is not here: make .venv/ready") from None
    print(f"\n{'work':<30} {'threads and time':<33} {'':<11} measured, of"
          " what is to be reached")


def main():
    global ROUNDS
    words = sys.argv[1:]
    if words[:1] == ["--rounds"]:
        ROUNDS, words = int(words[1]), words[2:]
    if len(words) < 2:
        sys.exit(__doc__)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    bench, wanted = Bench(*words[:2]), " ".join(words[2:])
    bench.find_libraries()
    machine(bench)
    begun, before, good, rows = time.time(), busy(), 0, 0
    # A child's peak begins with what this process holds: before PyTorch does.
    if "memory gpt2 f32".startswith(wanted):
        good += memory(bench)
        rows += 1
    for make in (small_rows, gemm_rows, products_rows, kernel_rows,
                 step_rows, learn_rows):
        for row in make(bench):
            if row.name.startswith(wanted):
                good += measure(bench, row)
                rows += 1
    print(f"\n{good} of {rows} reached, {time.time() - begun:.0f} s")
    noise(bench, before)


if __name__ == "__main__":
    main()
