#!/bin/sh
# The golden hashes (golden.c, golden.txt): each instruction set that is here,
# several numbers of threads, batches whole and in parts.
#
#   BUILD=build RUN="qemu-aarch64" sh tests/golden.sh [short]
#
# short: the best instruction set and plain C, 1 and 3 threads.
set -u
BUILD=${BUILD:-build}
RUN=${RUN:-}
program=$BUILD/tests/golden
expected=tests/golden.txt
passed=0 failed=0

# golden CPU THREADS MICRO-BATCH
golden() {
    got=$(LONGHAND_CPU=$1 $RUN "$program" "$2" "$3" 2>&1)
    if [ "$got" = "$(cat $expected)" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "golden.sh: LONGHAND_CPU=$1, $2 threads, micro-batch $3:" \
             "other weights than $expected:"
        echo "$got"
    fi
}

levels=$($RUN "$program" levels) || levels=c
for cpu in $levels; do best=$cpu; done
if [ "${1:-}" = short ]; then
    golden c 1 0
    golden "$best" 3 5
else
    for cpu in $levels; do
        golden "$cpu" 1 0
        golden "$cpu" 3 5
    done
    for threads in 2 5 8; do
        golden "$best" "$threads" 1
    done
fi
printf '%-28s %d passed, %d failed\n' golden "$passed" "$failed"
[ "$failed" = 0 ]
