#!/bin/sh
# What the program reads: data of every kind, and tokenizers, learned and used.
#
#   BUILD=build LONGHAND=build/longhand sh tests/cli_data.sh
name=cli_data
. tests/cli.inc

# ------------------------------------------------------------------- data --

mkdir -p "$out/notes/sub" && cp "$out/prose.txt" "$out/notes/b.txt"
cp "$out/list.txt" "$out/notes/sub/a.md"
printf '\211PNG\000' >"$out/notes/c.png"
printf '{"text": "one fish"}\n{"text": }\n{"text": "two fish"}\n' \
    >"$out/fish.jsonl"
check "data" succeeds data "$out/notes" "$out/fish.jsonl" -n 2
check "data: documents" says '^documents   4$'
check "data: what is left out" says 'c\.png left out: it is binary$'
check "data: and where" says '^note   .*fish.jsonl, line 2: '
check "data: samples" [ "$(grep -c '|$' "$out/stdout")" -eq 2 ]
check "data: its tokens" says '^  A| |l|i|n|e|'
check "data of names" succeeds data
check "data of names" says '^documents   20,110$'
data_json() {
    $LONGHAND data "$out/fish.jsonl" --json -n 1 >"$out/stdout" \
        2>"$out/stderr" && grep -q '^note .*line 2' "$out/stderr" &&
        says '^{"files": 1, "documents": 2, .*"tokenizer": "characters"}$' &&
        says '^{"document": 1, "pieces": \["o", "n", '
}
check "data --json" data_json
check "a folder" succeeds train "$out/notes" $tiny --steps 3
check "a folder" says '^data   2 files, each a document'
check "a pattern" succeeds train "$out/[lf]is*.t*t" $tiny --steps 3
check "a pattern" says '4 lines'
check "records" succeeds train "$out/fish.jsonl" $tiny --steps 3
check "records" says '^data   2 records, each a document'
check "records: what is left out" says '^note   .*fish.jsonl, line 2: '
input() {
    $LONGHAND "$@" <"$out/list.txt" >"$out/stdout" 2>"$out/stderr"
}
check "standard input" input train - --steps 3 --count 1
check "standard input" says '4 lines, each a document'
printf '\037\213\010\000' >"$out/list.gz"
check "compressed" refuses 1 "gunzip" train "$out/list.gz"
check "paragraphs" succeeds train "$out/prose.txt" $tiny --steps 3 \
    --documents paragraphs
check "paragraphs" says '2 paragraphs, each a document'
check "--separator" succeeds train "$out/list.txt" $tiny --steps 3 \
    --separator fish
check "--separator" says '4 texts between separators'
check "--separator and --documents" refuses 2 "leave one out" \
    train "$out/list.txt" --separator x --documents lines
check "--held-out FILE" succeeds train "$out/list.txt" --steps 3 --count 1 \
    --held-out "$out/fish.jsonl"
check "--held-out FILE" says '33.3333% held out'
check "--held-out of no file" refuses 1 "cannot open" \
    train "$out/list.txt" --held-out "$out/none"
check "--held-out beyond" refuses 2 "from 0 to 0.9" \
    train "$out/list.txt" --held-out 2

# Much text gets byte pairs of its own, little text characters.
seq 1 200000 >"$out/much.txt"
check "much text" succeeds train "$out/much.txt" $tiny --steps 2 --count 1 \
    --documents whole --batch 2 --out "$out/much"
check "much text" says ' one document; [1-5][0-9]* tokens: .*, learned from it'
check "again" succeeds train "$out/much.txt" $tiny --steps 2 --count 1 \
    --documents whole --batch 2 --out "$out/much" --resume
head -c 800000 "$out/much.txt" >"$out/less.txt"
check "little text" succeeds train "$out/less.txt" $tiny --steps 2 \
    --count 1 --documents whole --batch 2
check "little text" says ' 12 tokens: characters$'
check "characters are asked for" succeeds train "$out/much.txt" $tiny \
    --steps 2 --count 1 --documents whole --batch 2 --tokenizer characters
check "characters are asked for" says ' 12 tokens: characters$'
printf 'caf\351, no UTF-8\n\nbut bytes\n' >"$out/latin1.txt"
check "no characters" succeeds train "$out/latin1.txt" $tiny --steps 2
check "no characters" says ' 257 tokens: bytes$'

# More than is kept in memory leaves its tokens beside the run.
yes 'a line of a large file' | head -c 9000000 >"$out/large.txt"
check "large data" succeeds train "$out/large.txt" $small --count 1 \
    --out "$out/large"
check "large data: tokens" [ -s "$out/large/data.tokens" ]
check "large data: windows" [ -s "$out/large/data.windows" ]
cp "$out/large/data.tokens" "$out/tokens"
check "large data again" succeeds train "$out/large.txt" $small --count 1 \
    --out "$out/large" --resume
check "the tokens are the same" cmp "$out/tokens" "$out/large/data.tokens"
TMPDIR=$out
export TMPDIR
check "large data, not saved" succeeds train "$out/large.txt" $small --count 1
unset TMPDIR
check "nothing is left" sh -c "! ls -d '$out'/longhand-* 2>/dev/null"
echo 'a line of a file' >>"$out/large.txt"
check "data that has changed" refuses 1 "other data" train \
    "$out/large.txt" $small --count 1 --out "$out/large" --resume
rm -f "$out/large.txt" "$out/tokens" "$out/large/data.tokens"

# -------------------------------------------------------------- tokenizer --

words=$out/words.json
i=0
while [ $i -lt 300 ]; do
    echo "the cat and the hat, number $i, sat on a mat"
    i=$((i + 1))
done >"$out/cats.txt"
check "a tokenizer is trained" succeeds tokenizer train "$out/cats.txt" \
    --vocab 300 --out "$words"
check "it says so" says '^300 tokens from [0-9,]* bytes'
check "it stops where pairs run out" succeeds tokenizer train \
    "$out/prose.txt" --vocab 400 --out "$out/few.json"
check "and says so" says 'fewer than the 400 asked for'
cat >"$out/odd.txt" <<'END'
The cat.  12345 Ã©tÃ©
END
printf '\000\377 \360\237\232\200 <|endoftext|>' >>"$out/odd.txt"
for format in text json u16 u32; do
    check "encode $format" succeeds tokenizer encode "$out/odd.txt" \
        --tokenizer "$words" --format $format
    cp "$out/stdout" "$out/odd.$format"
    check "decode $format" succeeds tokenizer decode "$out/odd.$format" \
        --tokenizer "$words" --format $format
    check "$format there and back" cmp -s "$out/stdout" "$out/odd.txt"
done
counted() {
    n=$($LONGHAND tokenizer encode --tokenizer "$words" --count "$@" \
        <"$out/odd.txt")
    [ "$n" -eq "$(wc -w <"$out/odd.text")" ]
}
check "--count of standard input" counted
$LONGHAND tokenizer encode --tokenizer "$words" --format u16 \
    "$out/cats.txt" >"$out/cats.bin"
check "a token file" succeeds train "$out/cats.bin" $tiny --steps 3 \
    --tokenizer "$words" --out "$out/cats"
check "a token file" says '^data   [0-9,]* bytes, one document; 300 tokens'
check "a token file is scored" succeeds eval "$out/cats" "$out/cats.bin" \
    --json
check "a token file without its tokenizer" refuses 1 "of which tokenizer" \
    train "$out/cats.bin"
check "another's token file" refuses 1 "the tokenizer has 0 to" \
    data "$out/cats.bin" --tokenizer "$out/few.json"
check "special tokens are text, unless asked for" sh -c \
    "! $LONGHAND tokenizer encode '$out/odd.txt' --tokenizer '$words' |
     grep -qw 0 && $LONGHAND tokenizer encode '$out/odd.txt' --tokenizer \
     '$words' --allow-special | grep -qw 0"
large() {
    i=0
    while [ $i -lt 400 ]; do
        cat "$out/cats.txt"
        i=$((i + 1))
    done >"$out/large.txt"
    $LONGHAND tokenizer encode "$out/large.txt" --tokenizer "$words" |
        $LONGHAND tokenizer decode --tokenizer "$words" |
        cmp -s - "$out/large.txt"
}
check "a file of several blocks, there and back" large
# More ids than a block has: the space before the text is dropped once alone.
printf '%s' '{"version": "1.0", "normalizer": {"type": "Sequence",
 "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace",
 "pattern": {"String": " "}, "content": "▁"}]}, "model": {"vocab": {"a": 0,
 "▁": 1, "▁a": 2, "\n": 3}, "merges": ["▁ a"]}}' >"$out/spaced.json"
spaced() {
    awk 'BEGIN { for (i = 0; i < 60000; i++)
                     print "a a a a a a a a a a a a a a a a a a a" }' \
        >"$out/spaced.txt"
    $LONGHAND tokenizer encode "$out/spaced.txt" --format u32 \
        --tokenizer "$out/spaced.json" >"$out/spaced.u32" &&
    [ "$(wc -c <"$out/spaced.u32")" -gt 4194304 ] &&
    $LONGHAND tokenizer decode "$out/spaced.u32" --format u32 \
        --tokenizer "$out/spaced.json" | cmp -s - "$out/spaced.txt"
}
check "spaces at the borders of blocks of ids" spaced
# What a file's template puts around a text, and special tokens within it.
printf '%s' '{"version": "1.0", "pre_tokenizer": {"type": "ByteLevel",
 "add_prefix_space": false}, "model": {"vocab": {"a": 0, "b": 1},
 "merges": []}, "added_tokens": [{"id": 2, "content": "<s>", "special": true},
 {"id": 70000, "content": "</s>", "special": true}], "post_processor":
 {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}},
 {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "</s>"}}],
 "special_tokens": {"<s>": {"ids": [2]}, "</s>": {"ids": [70000]}}}}' \
    >"$out/framed.json"
printf 'ab<s>a' >"$out/framed.txt"
framed() {
    want=$1
    shift
    $LONGHAND tokenizer encode "$out/framed.txt" "$@" --tokenizer \
        "$out/framed.json" >"$out/stdout" && [ "$(cat "$out/stdout")" = "$want" ]
}
check "a special token's letters" framed "0 1 0"
check "--allow-special" framed "0 1 2 0" --allow-special
check "--bos" framed "2 0 1 0 70000" --bos
check "--bos --allow-special" framed "2 0 1 2 0 70000" --bos --allow-special
check "--bos --format json" framed "[2, 0, 1, 0, 70000]" --bos --format json
check "--show --allow-special" framed "a|b|<s>|a" --show --allow-special
if [ $terminal = true ]; then
    check "colours on a terminal" on_terminal tokenizer encode --show \
        --tokenizer "$out/framed.json" "$out/framed.txt"
    check "colours on a terminal" says '[[]48;5;24ma.*[[]48;5;238mb'
fi
check "--bos of what has no template" refuses 2 "says of no token" \
    tokenizer encode "$out/odd.txt" --tokenizer "$words" --bos
check "ids that are too high for u16" refuses 2 "u32 has room" tokenizer \
    encode "$out/framed.txt" --tokenizer "$out/framed.json" --format u16
# More than there is memory for passes through it.
streamed() {
    yes "the cat and the hat, on a mat" | head -c 80000000 |
        (ulimit -v 60000 && $LONGHAND tokenizer "$@" --threads 1) \
        >"$out/stdout" 2>"$out/stderr"
}
check "trained on more than memory" streamed train --vocab 270 \
    --out "$out/streamed.json"
check "trained on more than memory" says '^270 tokens from 77,333,334 bytes'
check "more than memory encoded" streamed encode --count \
    --tokenizer "$out/streamed.json"
# Stopped at whatever point, it leaves a whole file or none: the signal may
# come before it can say so, or when the file lies there already.  (Without
# --foreground it comes twice, and the second one kills.)
succeeds tokenizer train "$out/large.txt" --vocab 2000 --out "$out/whole.json"
stopped() {
    rm -f "$out"/stopped.json*
    timeout --foreground "$1" $LONGHAND tokenizer train "$out/large.txt" \
        --vocab 2000 --out "$out/stopped.json" >/dev/null 2>"$out/stderr"
    case $? in 0 | 124) ;; *) return 1 ;; esac
    case $(cd "$out" && echo stopped.json*) in
    stopped.json) cmp -s "$out/stopped.json" "$out/whole.json" ;;
    'stopped.json*') [ ! -s "$out/stderr" ] ||
                     grep -q 'stopped' "$out/stderr" ;;
    *) false ;;
    esac
}
for seconds in 0.01 0.02 0.03 0.04; do
    check "training a tokenizer is stopped after $seconds s" stopped $seconds
done
stopped_reading() {
    { cat "$out/large.txt"; sleep 1; } |
        timeout --foreground 0.5 $LONGHAND tokenizer train --vocab 2000 \
            --out "$out/stopped.json" >/dev/null 2>"$out/stderr"
    [ $? = 124 ] && grep -q 'stopped' "$out/stderr" &&
        [ ! -e "$out/stopped.json" ]
}
rm -f "$out"/stopped.json*
check "training a tokenizer is stopped while it reads" stopped_reading
check "--quiet says nothing" [ -z "$($LONGHAND tokenizer train \
    "$out/cats.txt" --vocab 300 --out "$out/quiet.json" -q 2>&1)" ]
check "a model learns with it" succeeds train "$out/cats.txt" $tiny \
    --steps 3 --tokenizer "$words" --out "$out/pairs"
check "a model learns with it" says '300 tokens: bpe'
check "and writes" succeeds sample "$out/pairs" --length 5
check "its directory is a tokenizer's too" succeeds tokenizer encode \
    "$out/odd.txt" --tokenizer "$out/pairs"
check "the same ids" cmp -s "$out/stdout" "$out/odd.text"
check "which tokenizer" refuses 2 "--tokenizer FILE is needed" \
    tokenizer encode "$out/odd.txt"
check "what is to be done" refuses 2 "there are train, encode and decode" \
    tokenizer cut
check "no ids" refuses 1 '"T" is no id' tokenizer decode "$out/odd.txt" \
    --tokenizer "$words"
check "half an id" refuses 1 "ends in the middle of an id" tokenizer decode \
    "$out/list.txt" --tokenizer "$words" --format u32
printf '\377\377' >"$out/high.u16"
check "an id too high" refuses 1 "id 0 is 65535" tokenizer decode \
    "$out/high.u16" --tokenizer "$words" --format u16
check "no text" refuses 1 "it is empty" tokenizer train /dev/null \
    --out "$out/none.json"
check "no file" refuses 1 "cannot open" tokenizer train "$out/nothing"
check "no tokenizer" refuses 1 "list.txt" tokenizer encode "$out/odd.txt" \
    --tokenizer "$out/list.txt"

finish
