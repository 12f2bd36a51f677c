#!/bin/sh
# longhand.h's own first lines of use, built and run as C and as C++; and
# every function that the header declares is in the library.
#
#   BUILD=build sh tests/header.sh
set -u
BUILD=${BUILD:-build}
CC=${CC:-cc}
out=$BUILD/header-out
rm -rf "$out"
mkdir -p "$out"
passed=0 failed=0

check() {
    name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "header.sh: failed: $name"
    fi
}

# The lines of the first comment that are set in by four more blanks.
sed -n '/^ \*     lh_context/,/^ \*     lh_tape_free/s/^ \* *//p' \
    include/longhand.h >"$out/snippet.inc"
lines() {
    [ "$(wc -l <"$out/snippet.inc")" -eq 8 ]
}
check "the header opens with eight lines" lines
cat >"$out/snippet.c" <<'END'
#include "longhand.h"
int main(void)
{
#include "snippet.inc"
    return answer == 3.0f && dx == 4.0f ? 0 : 1;
}
END
cp "$out/snippet.c" "$out/snippet.cc"
run() {
    "$@" -I"$BUILD" -I"$out" "$BUILD/liblonghand.a" -lm -lpthread \
        -o "$out/snippet" && ${RUN:-} "$out/snippet"
}
check "they say what they give" run $CC -std=c11 -Wall -Wextra -Werror \
    "$out/snippet.c"
if c++ --version >"$out/c++.txt" 2>&1; then
    case $CC in
    cc | gcc | clang)
        check "in C++ too" run c++ -Wall -Wextra -Werror "$out/snippet.cc" ;;
    esac
else
    echo "SKIPPED: longhand.h in C++: no c++ here"
fi

# All that is declared is there, and calls itself lh_.
sed -n 's/^LH_API [^(]*[ *]\(lh_[a-z0-9_]*\)(.*/\1/p' include/longhand.h |
    sort -u >"$out/declared.txt"
many() {
    [ "$(wc -l <"$out/declared.txt")" -ge 90 ]
}
check "functions are found in the header" many
{
    printf '#include "longhand.h"\ntypedef void (*any)(void);\n'
    printf 'any all[] = {\n'
    sed 's/.*/(any)&,/' "$out/declared.txt"
    printf '};\nint main(void) { return !all[0]; }\n'
} >"$out/all.c"
all() {
    $CC "$out/all.c" -I"$BUILD" "$BUILD/liblonghand.a" -lm -lpthread \
        -o "$out/all"
}
check "the library has all that the header declares" all
# ... and tests/test_api.c calls each.
called() {
    while read -r function; do
        grep -q "$function(" tests/test_api.c || {
            echo "header.sh: tests/test_api.c does not call $function()"
            return 1
        }
    done <"$out/declared.txt"
}
check "test_api calls all" called

printf '%-28s %d passed, %d failed\n' header "$passed" "$failed"
[ "$failed" = 0 ]
