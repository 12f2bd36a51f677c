#!/bin/sh
# The documentation keeps its word: each command of a ```console block runs
# and prints what stands below it; every option that a page names is one; the
# man page and -h know every option; no path of somebody's machine.
#
#   BUILD=build sh tools/check_docs.sh
#
# In what a block shows, a line "..." stands for any lines.  Speeds, times
# and the machine's own facts are not compared.
set -u
BUILD=${BUILD:-build}
unset MAKEFLAGS MFLAGS MAKELEVEL
work=$BUILD/check/docs
rm -rf "$work" build/book          # the run that README makes
mkdir -p "$work"
passed=0 failed=0

# note CODE WHAT
note() {
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $2"
    fi
}

pages=$(ls ./*.md docs/*.md)

# ---------------------------------------------------------------- commands --

# N.command, N.want and N.where for each command.
awk -v work="$work" '
/^```/ { inside = $0 ~ /^```console/; next }
!inside { next }
/^\$ / {
    base = work "/" sprintf("%02d", ++n)
    print substr($0, 3) > (base ".command")
    print FILENAME ":" FNR > (base ".where")
    printf "" > (base ".want")
    next
}
base { print > (base ".want") }' $pages

normal() {
    sed -E -e 's/[0-9.,]+[kM]? (names|tokens|texts|documents)\/s/N \1\/s/g' \
        -e 's/[0-9:]+ left/N left/g' -e 's/[0-9.:]+ s in all/N s in all/g' \
        -e 's/(avx512_bf16|avx512|avx2|sse2|neon_bf16|neon|c) kernels/ISA kernels/' \
        -e 's/[0-9]+ threads?/N threads/' -e 's/[0-9]+ passed/N passed/' \
        -e 's/^memory .* at/memory N at/' \
        -e 's/^([a-z]+ +[0-9.]+ [kMGT]?B) +[0-9,]+$/\1/' \
        -e 's/ +/ /g' -e 's/ $//' "$1"
}

for command in "$work"/*.command; do
    base=${command%.command}
    if [ "$(cat "$command")" = "make test" ] && \
       [ -s "$BUILD/check/tests.log" ]; then
        cp "$BUILD/check/tests.log" "$base.got"        # it just ran
    else
        sh "$command" >"$base.got" 2>&1 </dev/null
    fi
    normal "$base.want" >"$base.wanted"
    normal "$base.got" | awk -v wanted="$base.wanted" '
        BEGIN { while ((getline line < wanted) > 0) want[++n] = line; at = 1 }
        wrong { next }
        want[at] == "..." {
            if (at < n && $0 == want[at + 1]) at += 2
            next
        }
        at <= n && $0 == want[at] { at++; next }
        { print "    printed: " $0
          print "    the page: " (at <= n ? want[at] : "(nothing more)")
          wrong = 1 }
        END { if (!wrong && at <= n && !(at == n && want[n] == "...")) {
                  print "    not printed: " want[at]; wrong = 1 }
              exit wrong }'
    note $? "$(cat "$base.where"): $(cat "$command")"
done
[ -e "$work/01.command" ]
note $? "there are commands"

# ----------------------------------------------------------------- options --

options=$(sed -n 's/^OPTION([a-z_]*, "\([a-z-]*\)".*/\1/p' src/cli/options.def |
          sort -u)
"$BUILD/longhand" --man >"$work/man"
cmp -s "$work/man" "$BUILD/longhand.1"
note $? "build/longhand.1 is what --man prints"
for s in $(sed -n 's/^SUBCOMMAND(\([a-z]*\),.*/\1/p' \
           src/cli/subcommands.def); do
    "$BUILD/longhand" "$s" -h
done >"$work/help"
for option in $options; do
    sed 's/\\//g' "$work/man" | grep -q -- "--$option\b"
    note $? "--$option in the man page"
    grep -q -- "--$option\b" "$work/help"
    note $? "--$option in some -h"
done
# Those of other programs and of the examples.
known="$options names version man"
for option in $(grep -ohE -- '(^|[^-a-z])--[a-z][a-z-]*' $pages |
                sed 's/.*--//' | sort -u); do
    case " $(echo $known) " in
    *" $option "*) note 0 "" ;;
    *) note 1 "a page names --$option, which is no option" ;;
    esac
done

# ------------------------------------------------------------------- paths --

! git grep -nIE '(/w[o]rk/|/r[o]ot/|/h[o]me/|/f[a]rm/)' -- .
note $? "paths of a machine"
# What the pages point to is there.
for page in $pages; do
    for target in $(grep -oE '\]\([^)#:]+' "$page" | sed 's/^](//') \
        $(grep -oE '`(src|include|tests|tools|examples|docs|bench)/[a-z0-9_./-]*`' \
          "$page" | tr -d '`'); do
        [ -e "$target" ] || [ -e "$(dirname "$page")/$target" ]
        note $? "$page points to $target, which is not there"
    done
done

printf '%-28s %d passed, %d failed\n' docs $passed $failed
[ $failed = 0 ]
