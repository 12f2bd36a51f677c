#!/bin/sh
# The library as a guest, by its symbols: every exported and every global
# name begins with lh_; nothing exits, prints, or touches what is the host's;
# no libm function but what the compiler makes of sqrt; no writable variable
# but the once-built kernel tables.
#
#   BUILD=build sh tools/check_symbols.sh
set -u
BUILD=${BUILD:-build}
wrong=0

# complain WHAT LIST
complain() {
    [ -z "$2" ] && return
    echo "$1:"
    echo "$2" | sed 's/^/    /'
    wrong=1
}

exported=$(nm -D --defined-only "$BUILD/liblonghand.so" | awk '{ print $3 }')
complain "exported without lh_" "$(echo "$exported" | grep -v '^lh_')"
complain "exported, but not in longhand.h" "$(for name in $exported; do
    grep -q "\\b$name\\b" "$BUILD/longhand.h" || echo "$name"; done |
    grep -vxF "$(sed -n 's/^UNARY *(\([a-z0-9_]*\),.*/lh_\1/p
                         s/^UNARY_S *(\([a-z0-9_]*\),.*/lh_\1/p
                         s/^BINARY *(\([a-z0-9_]*\),.*/lh_\1/p' \
                 src/kernels/elementwise.def)")"
globals=$(nm -g --defined-only "$BUILD/liblonghand.a" |
          awk 'NF == 3 { print $3 }')
complain "global in the archive without lh_" \
    "$(echo "$globals" | grep -v '^lh_')"

needed=$(nm -u "$BUILD/liblonghand.a" | awk 'NF == 2 { print $2 }' |
         sort -u | grep -v '^lh_')
complain "called, and not a guest's to call" "$(echo "$needed" | grep -xE \
    'v?f?printf|v?dprintf|puts|putchar|fputs|fputc|fwrite|perror|stdout|stderr|exit|_exit|_Exit|abort|__assert_fail|atexit|signal|sigaction|raise|setlocale|uselocale|setenv|putenv|unsetenv|srand|rand|random|system|popen|fork|exec.*|strtok|strtod|strtof|atof|__.*printf_chk')"
complain "a function of libm" "$(echo "$needed" | grep -xE \
    '(exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|sincos|tan|tanh|sinh|cosh|erf|erfc|atan2?|acos|asin|cbrt|hypot|fmod|lgamma|tgamma|fma|round|rint|nearbyint|floor|ceil)[fl]?')"
# (What is const but holds addresses stands in .data.rel.ro.)
variables=$(nm -f sysv "$BUILD/liblonghand.a" | awk -F '|' '
    { gsub(/ /, "", $1); gsub(/ /, "", $7) }
    $7 ~ /^\.(bss|data|tbss|tdata)/ && $7 !~ /^\.data\.rel\.ro/ {
        print $1 }')
complain "a writable variable" "$(echo "$variables" | grep -v '^table_')"

echo "$(echo "$exported" | wc -l) exported, $(echo "$globals" | wc -l)" \
     "global, $(echo "$needed" | wc -l) from outside"
exit $wrong
