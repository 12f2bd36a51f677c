#!/bin/sh
# Runs test programs and scripts, as many at once as there are processors,
# and prints what each printed, in the order given, then the sum.
#
#   BUILD=build sh tools/run_tests.sh PROGRAM-OR-SCRIPT...
#
# Each ends with a line `NAME N passed, N failed` (tests/test.h).  One that
# ends in another way, or is killed, counts as failed.  RUN stands before
# each program (an emulator, valgrind).
set -u
BUILD=${BUILD:-build}
RUN=${RUN:-}
JOBS=${JOBS:-$(nproc 2>/dev/null || echo 1)}
export BUILD RUN
export LONGHAND="${LONGHAND:-$BUILD/longhand}"
logs=$BUILD/test-logs
rm -rf "$logs"
mkdir -p "$logs"

printf '%s\n' "$@" | xargs -P "$JOBS" -n 1 sh -c '
    log=$0/$(basename "$1").log
    case $1 in
    *.sh) timeout 600 sh "$1" >"$log" 2>&1 ;;
    *)    timeout 600 $RUN "$1" >"$log" 2>&1 ;;
    esac
    echo $? >"$log.status"' "$logs"

passed=0 failed=0
for test in "$@"; do
    log=$logs/$(basename "$test").log
    cat "$log"
    status=$(cat "$log.status" 2>/dev/null || echo lost)
    counts=$(sed -n 's/.* \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' \
             "$log" | tail -n 1)
    counts=${counts:-0 0}
    bad=${counts#* }
    if [ "$status" != 0 ] && [ "$bad" = 0 ]; then
        echo "$test: failed: ended with status $status"
        bad=1
    fi
    passed=$((passed + ${counts% *}))
    failed=$((failed + bad))
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
