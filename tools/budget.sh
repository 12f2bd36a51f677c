#!/bin/sh
# The budgets, each beside its limit; fails where one is over.
#
#   BUILD=build sh tools/budget.sh
set -u
BUILD=${BUILD:-build}
CC=${CC:-cc}
over=0

# budget WHAT VALUE LIMIT UNIT
budget() {
    mark=
    if awk "BEGIN { exit !($2 > $3) }"; then
        mark="  OVER"
        over=1
    fi
    printf '%-34s %10s of %8s %s%s\n' "$1" "$2" "$3" "$4" "$mark"
}

# Hand-written C; embedded data (*_data.inc.h) is counted as data.
sources() {
    find src include -name '*.[ch]' -o -name '*.def' | grep -v '_data\.inc\.h$'
}
# Lines of code: those with something on them besides a comment.  A limit on
# the others would be a limit on explaining.
code=$(sources | xargs cat | awk '
    { rest = $0; line = ""
      while (rest != "") {
          mark = index(rest, inside ? "*/" : "/*")
          if (!inside) line = line (mark ? substr(rest, 1, mark - 1) : rest)
          if (mark) inside = !inside
          rest = mark ? substr(rest, mark + 2) : ""
      }
      if (line ~ /[^ \t]/) n++ }
    END { print n }')
budget "library and program: code" "$code" 30800 lines
printf '%-34s %10s\n' "  with comments and blank lines" \
    "$(sources | xargs cat | wc -l)"
# The public header is one file by design, and mostly its own manual.
header=include/longhand.h
budget "longhand.h, which is the manual" "$(wc -l <$header)" 1000 lines
longest=$(sources | grep -v "^$header" | xargs wc -l | grep -v ' total$' |
          sort -n | tail -n 1)
budget "longest file: ${longest##*/}" "$(echo $longest | cut -d' ' -f1)" \
    800 lines
longest=$(sources | grep '\.[ch]$' | xargs awk '
    FNR == 1 { inside = 0 }
    /^[A-Za-z].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
                      first = FNR }
    /^\{/ { inside = 1 }
    /^\}/ && inside { inside = 0; n = FNR - first + 1
                      if (n > most) { most = n; which = name } }
    END { print most, which }')
budget "longest function: ${longest#* }" "${longest% *}" 80 lines

# CPU seconds, user and system, of the commands that this shell has run.
spent() {
    times >"$BUILD/times"
    seconds=$(awk 'NR == 2 { for (i = 1; i <= 2; i++) {
        split($i, t, /[ms]/); sum += 60 * t[1] + t[2] } print sum }' \
        "$BUILD/times")
}
# since SECONDS FORMAT [FACTOR]
since() {
    awk "BEGIN { printf \"$2\", ($seconds - $1) * ${3:-1} }"
}
fresh=$BUILD/budget
# A build's seconds are also those of the machine and of who else is on it: the
# same build took 13.6 and 17 in one day.  So a program that is always the same
# is compiled before and behind, and the budget's seconds are those of a
# machine that needs 0.93 for it, which is the one of LOG.md when left alone.
# The least of up to four counts: others only ever add, but not evenly.
mkdir -p "$BUILD"
awk 'BEGIN {
    for (i = 0; i < 120; i++) {
        print "long f" i "(const long *a, double *x, long n)\n{"
        print "    long s = " i ";\n    for (long i = 0; i < n; i++) {"
        print "        x[i] = x[i] * " i ".5 + (double)a[i];"
        print "        if (a[i] > s) s ^= a[i] << " i % 7 ";"
        print "        else s += a[n - i - 1];\n        switch (s & 7) {"
        print "        case 1: s++; break;\n        case 3: s *= 5; break;"
        print "        case 4: s -= n; break;\n        default: s ^= 9; }"
        print "        for (long j = i & ~7; j < i; j++)"
        print "            x[j] += x[i] * (double)s;\n    }\n    return s;\n}"
    } }' >"$BUILD/yardstick.c"
yardstick() {
    spent
    before=$seconds
    $CC -std=c11 -O2 -g0 -c "$BUILD/yardstick.c" -o "$BUILD/yardstick.o" ||
        exit 1
    spent
    yard="${yard:+$yard + }$(since $before %.2f)"
}
least=
for try in 1 2 3 4; do
    rm -rf "$fresh"
    yard=
    yardstick
    spent
    before=$seconds
    make -s BUILD="$fresh" CC="$CC" CFLAGS="-O2 -g0" all >/dev/null || exit 1
    spent
    build=$(since $before %.2f)
    yardstick
    least=$(printf '%s\n' $least \
        "$(awk "BEGIN { print 2 * 0.93 * $build / ($yard) }")" |
        sort -n | head -n 1)
    printf '%-34s %10s s, two yardsticks %s s\n' "  built in" "$build" "$yard"
    awk "BEGIN { exit !($least <= 15) }" && break
done
rm -f "$BUILD"/yardstick.[co]
budget "clean build, CPU time" "$(printf %.1f "$least")" 15 s
# A small file, rebuilt into the objects: what waiting for one edit costs.
rm -f "$fresh/src/autograd/tape.o"
spent
before=$seconds
make -s BUILD="$fresh" CC="$CC" CFLAGS="-O2 -g0" \
    "$fresh/src/autograd/tape.o" >/dev/null || exit 1
spent
budget "one file, CPU time" \
    "$(since $before %.2f)" 1 s
size=$(wc -c <"$fresh/longhand")
budget "program" "$size" 1500000 bytes
spent
before=$seconds
for i in 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9; do
    "$fresh/longhand" --version >/dev/null || exit 1
done
spent
budget "longhand --version, CPU time" \
    "$(since $before %.2f 50)" 5 ms
rm -rf "$fresh"
exit $over
