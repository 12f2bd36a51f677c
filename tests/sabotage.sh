#!/bin/sh
# Every fault of src/base/sabotage.def must turn some test red: builds with
# -DLH_SABOTAGE, sees all green without a fault, then switches on one at a
# time.
#
#   BUILD=build sh tests/sabotage.sh
set -u
directory=${BUILD:-build}/sabotage
jobs=$(nproc 2>/dev/null || echo 1)
tests=$(ls tests/test_*.c | sed "s|\(.*\)\.c|$directory/\1|")
make -s -j "$jobs" BUILD="$directory" CFLAGS="-O2 -g0 -DLH_SABOTAGE" \
    $tests "$directory/tests/golden" || exit 1
export LH_MUTATIONS=3000 LH_KERNEL_TRIALS=1 LH_SABOTAGE=0
passed=0 failed=0

if BUILD=$directory sh tools/run_tests.sh $tests tests/golden.sh \
    >"$directory/clean.log"; then
    passed=1
else
    echo "sabotage: tests are red without a fault:"
    tail -n 20 "$directory/clean.log"
    failed=1
fi

number=0
for fault in $(sed -n 's/^FAULT( *\([a-z0-9_]*\),.*/\1/p' \
               src/base/sabotage.def); do
    number=$((number + 1))
    export LH_SABOTAGE=$number
    red=
    for test in $tests; do
        timeout 300 "$test" >"$directory/fault.log" 2>&1 && continue
        red=${test##*/}
        break
    done
    if [ -z "$red" ]; then
        BUILD=$directory sh tests/golden.sh short >/dev/null 2>&1 ||
            red=golden.sh
    fi
    if [ -n "$red" ]; then
        passed=$((passed + 1))
        printf 'fault %2d %-24s noticed by %s\n' $number "$fault" "$red"
    else
        failed=$((failed + 1))
        printf 'fault %2d %-24s NOT NOTICED\n' $number "$fault"
    fi
done
printf '%-28s %d passed, %d failed\n' sabotage $passed $failed
[ $failed = 0 ]
