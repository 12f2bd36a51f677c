#!/bin/sh
# Builds of the examples run and say what they must.
#
#   BUILD=build sh tests/examples.sh
set -u
BUILD=${BUILD:-build}
CC=${CC:-cc}
data=${LONGHAND_TEST_DATA:-../shared/data}
out=$BUILD/examples-out
mkdir -p "$out"
passed=0 failed=0

# check NAME COMMAND...: passes where the command succeeds.
check() {
    name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "examples.sh: failed: $name"
    fi
}

run() {
    "$BUILD/examples/$1" >"$out/$1.txt" 2>&1
}
same_lines() {
    [ "$(wc -l <"$1")" -eq "$2" ]
}

check "scalar gives the textbook's numbers" run scalar
check "custom_op's gradient is right" run custom_op
check "embed trains and writes" run embed
check "embed shows 3 steps and 5 names" same_lines "$out/embed.txt" 8

# Built as a user would: two files and a compiler.
amalgamated() {
    $CC -O2 -I"$BUILD" examples/embed.c "$BUILD/longhand.c" \
        -o "$out/embed" -lm -lpthread && "$out/embed" >"$out/two-files.txt"
}
check "embed.c longhand.c -lm -lpthread builds and runs" amalgamated
check "and prints the same" cmp -s "$out/embed.txt" "$out/two-files.txt"

# microgpt: equal bytes for every instruction set ...
levels=$("$BUILD/tests/golden" levels)
micro() {
    if [ -r "$data/text/names.txt" ]; then
        LONGHAND_CPU=$1 "$BUILD/examples/microgpt" --names \
            "$data/text/names.txt" >"$out/microgpt-$1.txt" 2>&1
    else
        LONGHAND_CPU=$1 "$BUILD/examples/microgpt" \
            >"$out/microgpt-$1.txt" 2>&1
    fi
}
for cpu in $levels; do
    check "microgpt on $cpu" micro "$cpu"
    check "microgpt on $cpu prints what c prints" \
        cmp -s "$out/microgpt-c.txt" "$out/microgpt-$cpu.txt"
done
check "microgpt on the built-in names" run microgpt
check "microgpt prints 3 facts, 1000 losses, 20 names" \
    same_lines "$out/microgpt.txt" 1023

# ... and, on the same file, the losses and names of the Python program:
# each loss within 0.0001, 990 of them equal in every digit, all names equal.
if [ -r "$data/microgpt/losses.txt" ] && [ -r "$data/text/names.txt" ]; then
    grep '^step ' "$out/microgpt-c.txt" | sed 's/step \(.*\) loss /\1 /' \
        >"$out/losses.txt"
    tail -n 20 "$out/microgpt-c.txt" >"$out/samples.txt"
    near=$(paste -d ' ' "$out/losses.txt" "$data/microgpt/losses.txt" |
        awk 'NF == 4 && $1 == $3 && ($2 - $4) ^ 2 < 1.001e-8 { near++ }
             NF == 4 && $1 == $3 && $2 "" == $4 "" { equal++ }
             END { print near + 0, equal + 0 }')
    echo "microgpt: of 1000 losses ${near% *} within 0.0001, ${near#* } equal"
    check "all losses are the Python program's" [ "${near% *}" -eq 1000 ]
    check "990 in every digit" [ "${near#* }" -ge 990 ]
    check "all 20 names are the Python program's" \
        cmp -s "$out/samples.txt" "$data/microgpt/samples.txt"
else
    echo "SKIPPED: microgpt against the Python program: $data is not here" \
         "(LONGHAND_TEST_DATA names the folder)"
fi
printf '%-28s %d passed, %d failed\n' examples "$passed" "$failed"
[ "$failed" = 0 ]
