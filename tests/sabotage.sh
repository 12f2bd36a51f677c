#!/bin/sh
# Every fault that src/base/sabotage.h knows must turn some test red: those of
# sabotage.def, a wrong sign in each op's gradient, a forgotten item in each
# kernel.  Builds with -DLH_SABOTAGE, sees all green without a fault, then
# switches on one at a time.
#
#   BUILD=build sh tests/sabotage.sh
set -u
directory=${BUILD:-build}/sabotage
jobs=$(nproc 2>/dev/null || echo 1)
# Those that notice most come first.
first="test_autograd test_train"
tests=$(for test in $first $(ls tests/test_*.c | sed 's|.*/\(.*\)\.c|\1|'); do
    echo "$directory/tests/$test"
done | awk '!seen[$0]++')
make -s -j "$jobs" BUILD="$directory" CFLAGS="-O2 -g0 -DLH_SABOTAGE" \
    $tests "$directory/tests/golden" || exit 1
export LH_MUTATIONS=3000 LH_KERNEL_TRIALS=1 LH_STRIDE=1000003 LH_SABOTAGE=0
passed=0 failed=0

if BUILD=$directory sh tools/run_tests.sh $tests tests/golden.sh \
    >"$directory/clean.log"; then
    passed=1
else
    echo "sabotage: tests are red without a fault:"
    tail -n 20 "$directory/clean.log"
    failed=1
fi

# rows FILE: the first words of a table's rows, in order.
rows() {
    sed -n 's/^[A-Z_]* *( *\([a-z0-9_]*\),.*/\1/p' "$1"
}
elementwise=$(rows src/kernels/elementwise.def)

# fault NUMBER NAME
fault() {
    export LH_SABOTAGE=$1
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
        printf 'fault %3d %-34s noticed by %s\n' "$1" "$2" "$red"
    else
        failed=$((failed + 1))
        printf 'fault %3d %-34s NOT NOTICED\n' "$1" "$2"
    fi
}

number=1
for name in $(rows src/base/sabotage.def); do
    fault $number "$name"
    number=$((number + 1))
done
number=100
for name in $(rows src/autograd/ops.def) $elementwise; do
    fault $number "gradient of $name"
    number=$((number + 1))
done
number=300
for name in $(rows src/kernels/kernels.def) \
    $(for row in $elementwise; do echo ${row}_forward ${row}_backward; done)
do
    # The machine's limit is a measurement: nothing depends on its result.
    [ "$name" = fma_limit ] || fault $number "item of $name"
    number=$((number + 1))
done
printf '%-28s %d passed, %d failed\n' sabotage $passed $failed
[ $failed = 0 ]
