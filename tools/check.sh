#!/bin/sh
# Everything that a change must pass: `make check`, and with `all` the slow
# ones too (`make check-all`).  One line a step; what a failed one printed is
# shown, and stays in BUILD/check/.  The last line is `N passed, N failed`.
#
#   BUILD=build sh tools/check.sh [all | STEP...]
set -u
BUILD=${BUILD:-build}
export BUILD
unset MAKEFLAGS MFLAGS MAKELEVEL       # the makes below are on their own
logs=$BUILD/check
mkdir -p "$logs"
strict="-Wall -Wextra -Wconversion -Wshadow -Wvla -Werror"
passed=0 failed=0
all=false only=
if [ "${1:-}" = all ]; then
    all=true
else
    only="$*"
fi
# How much the tests try; the slow builds below try less.
export LH_MUTATIONS=1000000 LH_KERNEL_TRIALS=4 LH_STRIDE=509
few="env LH_MUTATIONS=3000 LH_KERNEL_TRIALS=1 LH_STRIDE=65537"

# step NAME COMMAND...
step() {
    name=$1
    shift
    case " $only " in
    *" $name "* | "  ") ;;
    *) return ;;
    esac
    begin=$(date +%s)
    ("$@") >"$logs/$name.log" 2>&1
    code=$?
    seconds=$(($(date +%s) - begin))
    if [ $code -eq 0 ]; then
        passed=$((passed + 1))
        printf 'ok      %-24s %4d s  %s\n' "$name" $seconds \
            "$(tail -n 1 "$logs/$name.log" | cut -c 1-60)"
    else
        failed=$((failed + 1))
        printf 'FAILED  %-24s %4d s\n' "$name" $seconds
        tail -n 40 "$logs/$name.log" | sed 's/^/    /'
    fi
    grep -h '^SKIPPED' "$logs/$name.log" | sed 's/^/        /'
}

jobs=$(nproc 2>/dev/null || echo 1)
# build DIRECTORY CC CFLAGS LDFLAGS TARGET...: another build beside the first.
build() {   # with the warnings in $warnings, if set
    directory=$1 cc=$2 cflags=$3 ldflags=$4
    shift 4
    make -s -j "$jobs" BUILD="$directory" CC="$cc" CFLAGS="$cflags" \
        LDFLAGS="$ldflags" WARNINGS="${warnings:-$strict}" \
        $(for target; do echo "$directory/$target"; done)
}

# -------------------------------------------------------------- by reading --

layers()  { sh tools/check_layers.sh; }
symbols() { sh tools/check_symbols.sh; }
generated() {
    make -s "$BUILD/tools/op_reference" &&
    "$BUILD/tools/op_reference" | cmp - docs/ops.md &&
    sh tools/check_names.sh || return 1
    command -v python3 >/dev/null || return 0
    mkdir -p "$logs/figures" && python3 tools/figures.py "$logs/figures" &&
    for figure in "$logs"/figures/*.svg; do
        cmp "$figure" "docs/${figure##*/}" || return 1
    done
}
headers() {
    for cxx in g++ clang++; do
        for header in "-Iinclude -Isrc" "-I$BUILD"; do
            echo '#include "longhand.h"' | $cxx -x c++ -std=c++11 -Wall \
                -Wextra -Wpedantic -Werror $header -fsyntax-only - || return 1
        done
    done
    echo "g++ and clang++ read the header"
}
columns() {
    find include src examples tests tools -name '*_data.inc.h' -prune -o \
        \( -name '*.[ch]' -o -name '*.def' \) -print |
        LC_ALL=C xargs awk '
            length > 79 { print FILENAME ":" FNR ": " length; wide = 1 }
            END { if (!wide) print "no line has more than 79"; exit wide }'
}
amalgamation() {
    for cc in gcc clang; do
        $cc -O2 -Wall -Wextra -Werror -I"$BUILD" examples/embed.c \
            "$BUILD/longhand.c" -o "$logs/embed" -lm -lpthread &&
        "$logs/embed" || return 1
    done
}
installs() {
    root=$PWD/$logs/root
    rm -rf "$root"
    make -s install DESTDIR="$root" PREFIX=/usr &&
    cc -O2 examples/embed.c -o "$logs/installed" -I"$root/usr/include" \
        -L"$root/usr/lib" -llonghand -lm -lpthread &&
    LD_LIBRARY_PATH=$root/usr/lib "$logs/installed" &&
    "$root/usr/bin/longhand" --version &&
    make -s uninstall DESTDIR="$root" PREFIX=/usr || return 1
    left=$(find "$root" ! -type d)
    [ -z "$left" ] || { echo "uninstall leaves $left"; return 1; }
    echo "installed, linked, run, uninstalled"
}

step layers layers
step symbols symbols
step generated generated
step headers headers
step columns columns
step amalgamation amalgamation
step install installs
step budget sh tools/budget.sh

# ---------------------------------------------------------- one arithmetic --

golden_native() {
    directory=$BUILD/$1$2
    build "$directory" "$1" "$2 -g0" "" tests/golden longhand &&
    BUILD=$directory sh tests/golden.sh
}
# other MACHINE COMPILER FLAGS EMULATOR: -O0 and -O2, 1 and 3 threads.
golden_other() {
    warnings="-Wall -Wextra"
    for level in -O0 -O2; do
        directory=$BUILD/$1$level
        build "$directory" "$2" "$level -g0 $3" -static tests/golden &&
        BUILD=$directory RUN=$4 sh tests/golden.sh short || return 1
    done
}
kernels_arm64() {
    warnings="-Wall -Wextra"
    build "$BUILD/arm64-O2" aarch64-linux-gnu-gcc "-O2 -g0" -static \
        tests/test_kernels tests/test_launch &&
    $few qemu-aarch64 "$BUILD/arm64-O2/tests/test_kernels" &&
    qemu-aarch64 "$BUILD/arm64-O2/tests/test_launch"
}

step golden sh tests/golden.sh
for cc in gcc clang; do
    for level in -O0 -O1 -O2 -O3; do
        step golden-$cc$level golden_native $cc $level
    done
done
step golden-i686 golden_other i686 i686-linux-gnu-gcc "-msse2 -mfpmath=sse" ""
step golden-arm64 golden_other arm64 aarch64-linux-gnu-gcc "" qemu-aarch64
step golden-riscv64 golden_other riscv64 riscv64-linux-gnu-gcc "" qemu-riscv64
step golden-s390x golden_other s390x s390x-linux-gnu-gcc \
    -fexcess-precision=fast qemu-s390x
step kernels-arm64 kernels_arm64

# ----------------------------------------------------------------- testing --

# sanitized NAME CC FLAGS TEST...: these tests (all: every one), built so.
sanitized() {
    directory=$BUILD/$1 cc=$2 flags=$3
    shift 3
    if [ "$*" = all ]; then
        set -- $(ls tests/test_*.c | sed 's|.*/\(.*\)\.c|\1|')
    fi
    make -s -j "$jobs" BUILD="$directory" CC="$cc" CFLAGS="-O1 -g1 $flags" \
        $(for test; do echo "$directory/tests/$test"; done) &&
    BUILD=$directory $few sh tools/run_tests.sh \
        $(for test; do echo "$directory/tests/$test"; done)
}
# Files of tokenizers damaged as often as without sanitizers.
damaged() {
    few=
    sanitized "$@"
}
under_valgrind() {
    LONGHAND_CPU=avx2 $few valgrind -q --error-exitcode=9 \
        --leak-check=full "$BUILD/tests/golden" 2 3 &&
    LONGHAND_CPU=c $few valgrind -q --error-exitcode=9 \
        --leak-check=full "$BUILD/tests/test_json"
}

step tests make -s test
step kills env KILLS=$($all && echo 1000 || echo 100) DISK_STEP=4 \
    sh tests/kill.sh
step docs sh tools/check_docs.sh
asan="-fsanitize=address,undefined -fno-sanitize-recover=all"
step asan-ubsan sanitized asan gcc "$asan" all
step damaged damaged asan gcc "$asan" test_formats test_claims \
    test_vocabularies
# A million of each format.
mutations() {
    LH_MUTATIONS=10000000 "$BUILD/tests/test_formats" &&
    LH_MUTATIONS=10000000 "$BUILD/tests/test_claims"
}
step mutations mutations
# What reads and learns, where a pointer has four bytes.
step asan-i686 sanitized asan-i686 i686-linux-gnu-gcc "-msse2 -mfpmath=sse \
    -static-libasan -static-libubsan \
    -fsanitize=address,undefined -fno-sanitize-recover=all" \
    test_base test_json test_files test_safetensors test_config test_formats \
    test_tokenizer test_bpe test_words test_batch test_dataset test_data \
    test_spool
step msan sanitized msan clang "-fsanitize=memory" all
step tsan sanitized tsan gcc "-fsanitize=thread" test_base test_cpu \
    test_threads test_launch test_train test_infer test_words test_batch
step valgrind under_valgrind
# All 2^32 inputs of the functions, where fma need not be emulated.
every_float() {
    grep -qw fma /proc/cpuinfo || { echo "SKIPPED: no fma here"; return; }
    make -s -j "$jobs" BUILD="$BUILD/fma" CFLAGS="-O2 -g0 -mfma" \
        "$BUILD/fma/tests/test_math" &&
    LH_STRIDE=1 "$BUILD/fma/tests/test_math"
}
if $all; then
    step every-float every_float
fi
step sabotage sh tests/sabotage.sh
step oracles make -s oracles

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
