#!/bin/sh
# The program as its users meet it: options, errors, runs that are stopped,
# killed and resumed, full disks, hostile files.
#
#   BUILD=build LONGHAND=build/longhand sh tests/cli_test.sh
name=cli
. tests/cli.inc

# ------------------------------------------------------------------- help --

check "--version" succeeds --version
check "--version says so" says '^longhand [0-9]*\.[0-9]*\.[0-9]*$'
check "-h" succeeds -h
check "-h shows train" says 'longhand train'
check "--man" succeeds --man
cp "$out/stdout" "$out/man"
check "--man is roff" says '^\.TH LONGHAND 1'

fits() {
    [ "$(wc -l <"$1")" -le 50 ] &&
        [ "$(awk 'length > 79' "$1" | wc -l)" -eq 0 ]
}
for s in train sample eval report tokenizer data info bench; do
    check "$s -h" succeeds $s -h
    cp "$out/stdout" "$out/help-$s"
    check "$s -h fits on a screen" fits "$out/help-$s"
    check "help $s is the same" succeeds help $s
    check "help $s is the same" cmp -s "$out/stdout" "$out/help-$s"
    check "-h shows $s" grep -q "longhand $s" "$out/man"
done

# Every option of the table is taken, shown and documented: what `-h` lists
# is what the parser knows, and the man page has it too.
drift() {
    for s in train sample eval report tokenizer data info bench; do
        grep -oE '^.{10}--[a-z-]+' "$out/help-$s" | sed 's/.*--//' |
        while read -r option; do
            grep -q "^\.B .*$(echo "$option" | sed 's/-/\\\\-/g')" \
                "$out/man" || echo "man lacks --$option"
            case $option in
            count) [ "$s" = tokenizer ] && continue ;;
            help|json|quiet|resume|recompute|plan|each) continue ;;
            compatible) continue ;;
            show|bos|allow-special) continue ;;
            esac
            $LONGHAND $s "--$option" >/dev/null 2>"$out/stderr"
            [ $? -eq 2 ] && grep -q "^longhand $s: --$option needs a value" \
                "$out/stderr" || echo "$s does not know --$option"
        done
    done >"$out/drift"
    cat "$out/drift"
    [ ! -s "$out/drift" ]
}
check "options, help and man page agree" drift
table() {
    [ "$(grep -c '^OPTION(.*TRAIN' src/cli/options.def)" -le \
      "$(grep -cE '^.{10}--' "$out/help-train")" ]
}
[ ! -r src/cli/options.def ] || check "train -h shows them all" table

# ------------------------------------------------------------ wrong usage --

check "no command" refuses 2 "no command"
check "unknown command" refuses 2 "did you mean train?" trian
check "unknown command, nothing near" refuses 2 "unknown command" xyzzy
check "near option" refuses 2 "did you mean --layers?" train --layer 2
check "near option, typing error" refuses 2 "did you mean --width?" \
    train --wdith 2
check "far option" refuses 2 "train -h lists them" train --xyzzyxyzzy
check "another's option" refuses 2 "of train, not of sample" \
    sample m --layers 2
check "bad number" refuses 2 "--steps 12x: expected a whole number" \
    train --steps 12x
check "bad number with =" refuses 2 "--steps many: expected" \
    train --steps=many
check "too small" refuses 2 "--steps 0: expected a whole number from 1" \
    train --steps 0
check "no number" refuses 2 "--lr nan: expected a number" train --lr nan
check "beyond 64 bits" refuses 2 "--seed 99999999999999999999" \
    train --seed 99999999999999999999
check "bad choice" refuses 2 "expected one of lines|whole" \
    train --documents words
check "tokenizer that is not there" refuses 1 "words" \
    train --tokenizer words
check "bad period" refuses 2 "--save-every 5w: expected" \
    train --save-every 5w
check "missing value" refuses 2 "--out needs a value" train --out
check "empty value" refuses 2 "--out: expected DIR" train --out ""
check "value for a flag" refuses 2 "takes no value" train --json=1
check "short option" refuses 2 "unknown option -z" train -z
check "missing model" refuses 2 "MODEL is missing" sample
check "missing data" refuses 2 "DATA is missing" eval "$out"
check "missing run" refuses 2 "RUN is missing" report
check "missing work" refuses 2 "train|encode|decode is missing" tokenizer
check "missing data" refuses 2 "DATA is missing" eval m
check "too many operands" refuses 2 "too much: b" sample a b
check "help for what is not there" refuses 2 "did you mean train" help trian
check "unknown preset" refuses 2 "preset" train --preset mcro
check "unknown work" refuses 2 "no work begins so" bench gem5
check "shape: heads" refuses 2 "not a multiple of --heads" \
    train --width 10 --heads 3
check "shape: kv-heads" refuses 2 "not a multiple of --kv-heads" \
    train --heads 4 --kv-heads 3
check "--resume without --out" refuses 2 "--resume needs --out" \
    train --resume
check "--eval-every without --held-out" refuses 2 "--held-out" \
    train --eval-every 5
check "control characters are harmless" refuses 2 "unknown option --?[31m" \
    train "$(printf -- '--\033[31m\nx')"

# ------------------------------------------------------------------ train --

check "train" succeeds train $small --count 3 --out "$out/a" \
    --held-out 0.1 --eval-every 6
check "three names" [ "$(wc -l <"$out/stdout")" -eq 3 ]
for file in trainer.safetensors model.safetensors config.json \
            tokenizer.json train.jsonl; do
    check "DIR/$file" [ -s "$out/a/$file" ]
done
check "60 steps in train.jsonl" [ "$(wc -l <"$out/a/train.jsonl")" -eq 60 ]
check "held-out losses in it" [ "$(grep -c '"held_out_loss": [0-9]' \
    "$out/a/train.jsonl")" -eq 10 ]
check "an existing run is refused" refuses 1 "add --resume" \
    train $small --out "$out/a"
check "a finished run is resumed" succeeds train $small --count 3 \
    --out "$out/a" --held-out 0.1 --resume
check "with other settings it is not" refuses 1 "steps" \
    train --steps 70 --batch 4 --quiet --out "$out/a" --held-out 0.1 --resume
mkdir -p "$out/model" && cp "$out/a/model.safetensors" "$out/model/"
check "a model without a run is not overwritten" refuses 1 \
    "holds model.safetensors" train $small --out "$out/model" --resume
mkdir -p "$out/data" && echo '{"text": "ours"}' >"$out/data/train.jsonl"
cp "$out/data/train.jsonl" "$out/data/copy"
check "a train.jsonl of no run" refuses 1 "no run's log" \
    train $small --out "$out/data" --resume
check "it is left alone" cmp "$out/data/train.jsonl" "$out/data/copy"
mkdir -p "$out/log" && head -n 3 "$out/a/train.jsonl" >"$out/log/train.jsonl"
check "a log without a checkpoint" refuses 1 "add --resume" \
    train $small --out "$out/log"
check "20 names by default" succeeds train --steps 60 --batch 4 --quiet
check "20 names by default" [ "$(wc -l <"$out/stdout")" -eq 20 ]
check "--recipe fast" succeeds train $small --recipe fast --out "$out/fast"
check "it says what it cannot be elsewhere" grep -q \
    '"without_counterpart": \["ngrams", "value' "$out/fast/config.json"
check "it is read again" succeeds sample "$out/fast"
check "it is resumed" succeeds train $small --recipe fast --resume \
    --out "$out/fast"
check "another rate is another run" refuses 1 "muon.learning_rate" train \
    $small --recipe fast --muon-lr 0.5 --resume --out "$out/fast"
check "--compatible" succeeds train --steps 60 --batch 4 --recipe fast \
    --compatible --count 1 --weights f16 --out "$out/nanochat"
check "Muon's rate is said" says "trapezoid rate from 0.004, Muon's from 0.02"
check "as NanoChat" grep -q NanoChatForCausalLM "$out/nanochat/config.json"
check "in f16" grep -q '"torch_dtype": "float16"' "$out/nanochat/config.json"
check "weights of no kind" refuses 2 "f32|bf16|f16" train --weights f8
check "info --plan --recipe fast" succeeds info --plan --recipe fast
check "a recipe that is none" refuses 2 "plain|fast" train --recipe quick
check "train --dtype bf16" succeeds train --steps 60 --batch 4 --count 1 \
    --dtype bf16 --out "$out/bf16"
check "it says what runs that" says '^dtype  bf16, '
check "resumed in f32" refuses 1 "a run in bf16, this one is in f32" \
    train --steps 60 --batch 4 --out "$out/bf16" --resume
check "resumed in bf16" succeeds train --steps 60 --batch 4 \
    --dtype bf16 --out "$out/bf16" --resume
check "a dtype that is none" refuses 2 "f32" train --dtype f16
LONGHAND_CPU=c
export LONGHAND_CPU
check "bf16 emulated" succeeds train --steps 2 --batch 4 --dtype bf16
check "it says that it gains nothing" says \
    '^dtype  bf16, emulated: no faster than f32 here; c kernels'
check "info says so" succeeds info
check "info says so" says '^bf16     emulated'
unset LONGHAND_CPU
check "plain lines in a pipe" succeeds train --steps 60 --batch 4 --count 1
check "20 and the last" [ "$(grep -c '^step ' "$out/stdout")" -eq 20 ]
check "no escape sequences in a pipe" [ "$(tr -cd '\033' <"$out/stdout" |
    wc -c)" -eq 0 ]
check "it says what it does" says 'seed 42'
if [ $terminal = true ]; then
    check "a terminal" on_terminal train --steps 60 --batch 4 --count 1
    check "has a bar" says '100 %  .*━━━━'
    check "and the loss as a chart" says '⡀\|⢀\|⣀\|⠉\|⠁\|⠈\|⠒\|⠤'
    check "which is drawn in place" says '[[][0-9]*A'
fi
check "train --json" succeeds train --steps 30 --batch 4 --json
object='^{"step": [0-9]*, "tokens": [0-9]*, "loss": [0-9.]*, "lr": [-0-9.e]*'
check "one object a step" [ "$(grep -c "$object.*}\$" "$out/stdout")" -eq 30 ]
check "and nothing else" [ "$(wc -l <"$out/stdout")" -eq 30 ]

check "a list is lines" succeeds train "$out/list.txt" --steps 3 --count 1
check "a list is lines" says '4 lines, each a document'
check "prose is one document" succeeds train "$out/prose.txt" $tiny --steps 3
check "prose is one document" says 'one document'
check "files are joined" succeeds train "$out/list.txt" "$out/list.txt" \
    --steps 3 --count 1
check "files are joined" says '8 lines'
check "bytes" succeeds train "$out/prose.txt" $tiny --steps 3 \
    --tokenizer bytes
check "bytes" says '257 tokens: bytes'

# --------------------------------------------------- stopped, killed, resumed

# The same run, whole; stopped by a signal; killed three times.
long="--steps 2000 --batch 4 --held-out 0.1 --eval-every 250"
check "the whole run" succeeds train $long --quiet --out "$out/whole"
check "its last model is the best" [ ! -e "$out/whole/best" ]

appears() {
    n=0
    while [ ! -e "$1" ] && [ $n -lt 200 ]; do
        n=$((n + 1))
        sleep 0.05
    done
    [ -e "$1" ]
}
# Losses by step, without what the clock says.
losses() {
    sed 's/, "tokens_per_second.*//' "$1/train.jsonl"
}
same_run() {
    cmp "$1/trainer.safetensors" "$2/trainer.safetensors" &&
        cmp "$1/model.safetensors" "$2/model.safetensors" &&
        [ "$(losses "$1")" = "$(losses "$2")" ]
}
# A saved file a step makes the run slow enough to be hit in its middle.
$LONGHAND train $long --save-every 1 --quiet --out "$out/stopped" \
    >"$out/stdout" 2>"$out/stderr" &
pid=$!
check "a checkpoint comes" appears "$out/stopped/trainer.safetensors"
kill -TERM $pid
wait $pid
check "a stopped run ends with 1" [ $? -eq 1 ]
check "one line" [ "$(wc -l <"$out/stderr")" -eq 1 ]
check "it says where" grep -q 'stopped at step [0-9,]* of 2,000, saved in' \
    "$out/stderr"
check "a model is there" [ -s "$out/stopped/model.safetensors" ]
command=$(sed 's/.*go on with: //' "$out/stderr")
check "and how to go on" sh -c "$command" >"$out/stdout" 2>"$out/stderr"
check "stopped and resumed: the same bytes" same_run "$out/whole" \
    "$out/stopped"

# An evaluation that takes longer than all else is stopped too; the run that
# goes on makes it again, behind the last step as well.
judged="--preset nano --steps 2 --batch 4 --held-out 0.9 --eval-every 1"
check "long evaluations" succeeds train $judged --quiet --out "$out/judged"
for i in 1 2; do
    $LONGHAND train $judged --quiet --out "$out/unjudged" --resume \
        >"$out/stdout" 2>"$out/said" &
    pid=$!
    tries=0
    until [ "$i" -eq 1 ] && [ -e "$out/unjudged/train.jsonl" ] ||
        grep -qs held_out_loss "$out/unjudged/train.jsonl" ||
        [ $tries -ge 400 ]
    do
        sleep 0.01
        tries=$((tries + 1))
    done
    sleep 0.4
    [ "$i" -eq 1 ] || check "before the data" refuses 1 "another run is" \
        train "$out/no such data" --out "$out/unjudged" --resume
    kill -TERM $pid
    wait $pid
    check "one is stopped" [ $? -eq 1 ]
    check "at its step" [ "$(grep -vc held_out_loss \
        "$out/unjudged/train.jsonl")" -eq 1 ]
done
check "at the last one" grep -q 'at step 2 of 2, saved in' "$out/said"
check "and is made again" succeeds train $judged --out "$out/unjudged" \
    --resume
check "as if nothing had been" same_run "$out/judged" "$out/unjudged"

for i in 1 2 3; do
    rm -f "$out/mark"
    $LONGHAND train $long --save-every 1 --quiet --out "$out/killed" \
        --resume >/dev/null 2>&1 &
    pid=$!
    appears "$out/killed/trainer.safetensors"
    sleep 0.0$((i * 3))
    kill -9 $pid
    wait $pid 2>/dev/null
done
check "the kills came in time" [ "$(tail -n 1 "$out/killed/train.jsonl" |
    sed 's/{"step": //; s/,.*//')" -lt 2000 ]
printf '{"step": 5, "los' >>"$out/killed/train.jsonl"
check "killed runs go on, on another CPU" env LONGHAND_CPU=c $LONGHAND train \
    $long --out "$out/killed" --resume >"$out/stdout"
check "it says from where" says 'going on from step [1-9][0-9]*$'
check "its page too" grep -q ' was gone on with at step [0-9]*: cpu ' \
    "$out/killed/report.html"
check "killed and resumed: the same bytes" same_run "$out/whole" \
    "$out/killed"
check "--resume starts where nothing is" succeeds train $long --quiet \
    --out "$out/fresh" --resume --threads 3 --micro-batch 3 --recompute
check "threads, micro-batches, recompute: the same weights" cmp \
    "$out/whole/model.safetensors" "$out/fresh/model.safetensors"

# From a model's weights: what a rate of 0 leaves are its own.
printf 'ann\nbob\neve\n' >"$out/ann.txt"
check "--from" succeeds train "$out/ann.txt" --from "$out/whole" --steps 5 \
    --batch 4 --lr 0 --count 0 --out "$out/tuned"
check "--from says so" says '^model  .*/whole: 1 layer, 16 wide, .*context 16'
check "--from: the weights" cmp "$out/whole/model.safetensors" \
    "$out/tuned/model.safetensors"
check "--from: the tokenizer" cmp "$out/whole/tokenizer.json" \
    "$out/tuned/tokenizer.json"
check "--from, gone on with" succeeds train "$out/ann.txt" --quiet --resume \
    --from "$out/whole" --steps 5 --batch 4 --lr 0 --out "$out/tuned"
check "--from, another recipe" succeeds train "$out/ann.txt" $small \
    --from "$out/whole" --recipe fast --dropout 0.1 --out "$out/tuned2"
check "--from, other weights" sh -c \
    "! cmp -s '$out/whole/model.safetensors' '$out/tuned2/model.safetensors'"
check "--from has its sizes" refuses 2 "leave out --width" train $small \
    --from "$out/whole" --width 32
check "--from has its tokenizer" refuses 2 "leave out --tokenizer" train \
    $small --from "$out/whole" --tokenizer bytes
check "--from nothing" refuses 1 "config.json" train $small --from "$out"
check "a directory that is taken, before the data" refuses 1 "holds a run" \
    train "$out/no such data" --out "$out/whole"
check "a file for a directory, before it" refuses 1 "Not a directory" \
    train "$out/no such data" --out "$out/list.txt"
check "somebody's log, before it" refuses 1 "no run's log" \
    train "$out/no such data" --out "$out/data"
mkdir -p "$out/locked" && chmod 555 "$out/locked"
[ -w "$out/locked" ] ||           # root may write everywhere
    check "where it cannot be made, before it" refuses 1 "cannot be written" \
        train "$out/no such data" --out "$out/locked/a/b"
check "--from, into it" refuses 1 "holds a run" train $small \
    --from "$out/whole" --out "$out/whole"
printf 'b0b\nann\n' >"$out/digits.txt"
check "--from, what it cannot say" refuses 1 "the character" train \
    "$out/digits.txt" $small --from "$out/whole"

# While it reads, nothing is to be lost: the first signal ends it.
sleep 5 | $LONGHAND train - $small --out "$out/early" >/dev/null 2>&1 &
pid=$!
sleep 0.1
kill -TERM $pid
wait $pid 2>/dev/null
check "stopped while reading" [ $? -eq 143 ]
check "it leaves nothing" [ ! -e "$out/early" ]

# ----------------------------------------------------------------- budget --

check "a budget is a time" refuses 2 "--budget 500: expected a time" \
    train --budget 500
check "a budget picks the steps" refuses 2 "give it or --steps" \
    train --budget 5s --steps 10
check "a budget picks the sizes" refuses 2 "give it or --preset" \
    train --budget 5s --preset gpt2
mkdir -p "$out/rent" && echo "rent 500" >"$out/rent/budget.txt"
check "somebody's budget is left alone" refuses 1 "holds budget.txt of some" \
    train "$out/no such data" --budget 2s --out "$out/rent"
check "a budget for nothing" refuses 1 "fewer than ten steps" \
    train --budget 0.001s --quiet
awk 'BEGIN { srand(1); for (i = 0; i < 40000; i++) {
    x = int(rand() * 900); printf "%s%s", substr("thequickbrownfoxjumps",
    x % 18 + 1, x % 4 + 1), rand() < 0.2 ? "\n" : " " } }' >"$out/words"
words="$out/words --documents whole --layers 1 --width 16 --heads 2 --batch 2
    --context 32 --held-out 0.1 --count 0"
# The command that a budget's run says is its last line but what is held.
same_command() {
    sed -n 's/.*the same run, to the bit: //p' "$1" | tail -n 1 |
        sed "s, $out/$2 , $out/$3 ,"
}
check "a budget" succeeds train --budget 2s --out "$out/budget" $words
check "it says what it measured" says '^budget 2s: a step takes .* ms here$'
cp "$out/stdout" "$out/said"
check "its command" sh -c "$(same_command "$out/said" budget again)" \
    >"$out/stdout" 2>"$out/stderr"
check "is the same run" cmp "$out/budget/model.safetensors" \
    "$out/again/model.safetensors"
check "a budget with what is given" succeeds train --budget 2s --kv-heads 1 \
    --cool-down 20 --out "$out/given" $words
cp "$out/stdout" "$out/said"
check "its command, too" sh -c "$(same_command "$out/said" given again2)" \
    >"$out/stdout" 2>"$out/stderr"
check "is the same run, too" cmp "$out/given/model.safetensors" \
    "$out/again2/model.safetensors"
check "and has the same log" [ "$(losses "$out/again" | grep -c held_out)" \
    -gt 0 ]

# A machine that stands still for a while: fewer steps, which a run that goes
# on has too.
rm -rf "$out/again"
$LONGHAND train --budget 3s --save-every 1 --out "$out/slow" $words \
    >"$out/said" 2>&1 &
pid=$!
appears "$out/slow/trainer.safetensors"
kill -STOP $pid
sleep 2
kill -CONT $pid
tries=0
until grep -q corrected_steps "$out/slow/train.jsonl" || [ $tries -ge 400 ]
do
    sleep 0.01
    tries=$((tries + 1))
done
kill -9 $pid
wait $pid 2>/dev/null
check "the number of steps was corrected" \
    grep -q corrected_steps "$out/slow/train.jsonl"
check "a killed run with a budget goes on" succeeds train --resume \
    --budget 3s --out "$out/slow" $words
cp "$out/stdout" "$out/said"
check "its command too" sh -c "$(same_command "$out/said" slow again)" \
    >"$out/stdout" 2>"$out/stderr"
check "is the same run, kill and correction and all" cmp \
    "$out/slow/model.safetensors" "$out/again/model.safetensors"
# One that was killed before its first checkpoint, and has half a line.
mkdir -p "$out/half" && : >"$out/half/train.jsonl"
printf -- '--dropout 0.5\n--step' >"$out/half/budget.txt"
check "what was picked, damaged" succeeds train --resume --budget 0.5s \
    --out "$out/half" $words
check "gives nothing" sh -c "! grep -e --dropout '$out/half/budget.txt'"
check "a budget for a model's weights" succeeds train "$out/ann.txt" \
    --from "$out/whole" --budget 2s --out "$out/tuned3" --json
check "whose sizes stay" sh -c "! grep -q -- --width '$out/stdout'"
check "with its command" says '^{"command": ".* --steps '

# A loss that is no number ends the run and keeps the checkpoint.
check "a loss that is no number" refuses 1 "not finite" \
    train --steps 200 --batch 4 --quiet --lr 1000 --layers 8 \
    --weight-decay 1000 --save-every 1 --out "$out/nan"

# --------------------------------------------- what a run leaves to look at --

check "a page" grep -q '<h1>build\|<h1>' "$out/whole/report.html"
check "a model card" grep -q '^A language model made with Longhand ' \
    "$out/whole/README.md"
check "it says how it was made" grep -q '^| hash | [0-9a-f]* |$' \
    "$out/whole/README.md"
echo "mine" >"$out/fresh/README.md"
check "somebody's README is left alone" succeeds train $long --quiet \
    --out "$out/fresh" --resume
check "somebody's README is left alone" grep -q '^mine$' "$out/fresh/README.md"
norms='"gradients": \[[0-9.]*, [0-9.]*, [0-9.]*\], "weights": \['
check "norms by layer" grep -q "$norms" "$out/whole/train.jsonl"
check "what it was made of, once" [ "$(grep -c '"run": {' \
    "$out/whole/train.jsonl")" -eq 1 ]
check "--sample-every" succeeds train --steps 30 --batch 4 --count 0 \
    --sample-every 10 --out "$out/sampled"
check "three samples" [ "$(grep -c '"sample": "' \
    "$out/sampled/train.jsonl")" -eq 3 ]
i=0
while [ $i -lt 40 ]; do
    echo "abcabdcab$i dcabbadc"
    i=$((i + 1))
done >"$out/over.txt"
check "a run that overfits" succeeds train "$out/over.txt" $tiny --lr 0.01 \
    --documents lines --steps 400 --batch 4 --held-out 0.3 --eval-every 20 \
    --out "$out/over"
check "it says so" says '^overfitted: the held-out loss was least, [0-9.]*, at'
check "it ends" says ' now, at step [0-9]* of 400: ended (--patience); the'
check "its best model is kept" says '; the model of step [0-9]* is in .*/best$'
check "it is a model" succeeds sample "$out/over/best"
over="$tiny --lr 0.01 --documents lines --steps 400 --batch 4 --held-out 0.3"
over="$over --eval-every 20"
$LONGHAND train "$out/over.txt" $over --save-every 1 --out "$out/over2" \
    >/dev/null 2>&1 &
appears "$out/over2/best/config.json"
kill -9 $! && wait $! 2>/dev/null
touch "$out/over2/mine.tmp-1" "$out/over2/data.tokens.tmp-9" \
    "$out/over2/best/model.safetensors.tmp-12-3"
check "killed, it ends there too" succeeds train "$out/over.txt" $over \
    --out "$out/over2" --resume
check "the same bytes" same_run "$out/over" "$out/over2"
check "the same best model" cmp "$out/over/best/model.safetensors" \
    "$out/over2/best/model.safetensors"
check "what the killed one was writing is gone" [ "$(find "$out/over2" \
    -name '*.tmp-*')" = "$out/over2/mine.tmp-1" ]
check "a long run" succeeds train "$out/over.txt" $tiny --lr 0.01 \
    --documents lines --steps 8000 --batch 4 --held-out 0.3 --out "$out/over3"
check "has overfitted long before its first tenth" says \
    ' at step [1-7]00, and is .* now, at step [0-9,]* of 8,000: ended'
check "patience" succeeds train "$out/over.txt" $over --patience 0 \
    --out "$out/over2" --resume
check "patience" grep -q '^{"step": 400,' "$out/over2/train.jsonl"
check "patience without held-out data" refuses 2 "--patience needs" \
    train $small --patience 3
check "another one than the last" sh -c \
    "! cmp -s '$out/over/best/model.safetensors' '$out/over/model.safetensors'"
mkdir -p "$out/unwritten/report.html"
$LONGHAND train $small --count 0 --out "$out/unwritten" >"$out/stdout" \
    2>"$out/stderr"
check "no report loses no run" [ $? -eq 0 -a -s "$out/unwritten/config.json" ]
check "it says why" grep -q 'report.html: writing failed' "$out/stderr"
check "a page of several runs" succeeds report "$out/whole" "$out/over" \
    "$out/sampled/train.jsonl" --out "$out/runs.html"
check "it names them" grep -q '<h1>3 runs</h1>' "$out/runs.html"
for layers in 1 12; do
    printf '{"step": 1, "run": {"model": {"layers": %s, "width": 8}}}\n' \
        $layers >"$out/of$layers.jsonl"
done
check "runs beside each other" succeeds report "$out/of1.jsonl" \
    "$out/of12.jsonl" --out "$out/runs.html"
check "where they differ" grep -q 'class="differs"><th>layers</th>' \
    "$out/runs.html"
check "and where not" grep -q '<tr><th>width</th>' "$out/runs.html"
check "a chart alone" succeeds report "$out/over" --out "$out/loss.svg"
check "a chart alone" grep -q '^<svg xmlns=.*' "$out/loss.svg"
check "a report of what is none" refuses 1 "name the directory of a run" \
    report "$out/nothing"
check "a report where nothing can be" refuses 1 "cannot be written" \
    report "$out/over" --out "$out/nowhere/x.html"
check "a report over a directory" refuses 1 "writing failed" \
    report "$out/over" --out "$out/log"
check "nothing is left beside it" [ -z "$(ls "$out" | grep tmp-)" ]

# Logs of whatever kind: nothing of them is markup, whatever they break off in.
evil='</pre><script>alert(1)</script>&\"\u003cb\ud83d\ude00\ud800 \u0000'
mkdir -p "$out/evil"
log=$out/evil/train.jsonl
line='{"step": 1, "tokens": 9, "loss": 3, "seconds": 1, "gradients": [1],'
printf '%s "sample": "%s\377\302\200", "run": {"%s": {"%s": "%s"}}}\n' \
    "$line" "$evil" "$evil" "$evil" "$evil" >"$log"
printf '{"step": 2, "tokens": 1e999, "loss": nan, "seconds": 2}\n[[[[\n\0\n' \
    >>"$log"
check "a hostile log" succeeds report "$out/evil" --out "$out/evil.html"
check "no markup from it" [ "$(grep -c '<script\|<b[> ]*u003c' \
    "$out/evil.html")" -eq 0 ]
check "its text is there" grep -q '#62;&#60;script&#62;alert' "$out/evil.html"
if command -v iconv >/dev/null; then
    check "UTF-8 alone" iconv -f UTF-8 -t UTF-8 "$out/evil.html" >/dev/null
fi
broken() {
    cp "$log" "$out/evil/whole"
    n=0
    while [ $n -lt "$(wc -c <"$out/evil/whole")" ]; do
        head -c $n "$out/evil/whole" >"$log"
        $LONGHAND report "$out/evil" --out "$out/evil.html" || return 1
        n=$((n + 7))
    done
}
check "broken off anywhere" broken

# What is ignored when it starts stays so (nohup): a hang-up does not stop it.
(trap '' HUP
 exec $LONGHAND train $long --save-every 1 --quiet --out "$out/hup" >"$log") &
pid=$!
appears "$out/hup/trainer.safetensors"
kill -HUP $pid
wait $pid
check "nohup" [ $? -eq 0 ]

# -------------------------------------------------------------- full disk --

full() {
    [ -c /dev/full ] || return 0
    $LONGHAND "$@" >/dev/full 2>"$out/stderr"
    [ $? -eq 1 ] && [ "$(wc -l <"$out/stderr")" -eq 1 ]
}
check "full: --version" full --version
check "full: train" full train --steps 30 --batch 4
check "full: info" full info
check "full: sample" full sample "$out/a"

# A file may not grow beyond 4 kB: the checkpoint fails.
limited() {
    (ulimit -f 8
     $LONGHAND train $long --quiet --out "$out/limited" \
        >"$out/stdout" 2>/dev/null)
    [ $? -eq 1 ] && [ ! -e "$out/limited/trainer.safetensors" ] &&
        [ ! -e "$out/limited/model.safetensors" ]
}
check "full: checkpoint" limited
check "and when there is room" succeeds train $long --quiet \
    --out "$out/limited" --resume
check "the same bytes" same_run "$out/whole" "$out/limited"

# --------------------------------------------------------------- bad files --

: >"$out/empty"
head -c 100 /dev/zero >"$out/zeros"
printf '\377\376\375' >"$out/binary"
check "missing data" refuses 1 "$out/none" train "$out/none"
check "empty data" refuses 1 "empty" train "$out/empty"
mkdir -p "$out/hollow/.hidden"
check "no data in a folder" refuses 1 "no text is in this folder" \
    train "$out/hollow"
check "data is not UTF-8" refuses 1 "UTF-8" train "$out/binary" \
    --documents lines
printf 'ann\nbob\nch\377rl\ndan\n\376\n' >"$out/latin"
check "it says where" refuses 1 "document 3, byte 2 " train "$out/latin"
printf 'ann\nb0b\n' >"$out/digit"
check "an unknown character" refuses 1 "document 2, byte 1: the character" \
    eval "$out/a" "$out/digit"
check "missing model" refuses 1 "$out/none" sample "$out/none"
check "model is a file" refuses 1 "$out/zeros" sample "$out/zeros"
check "an empty directory" refuses 1 "config.json" sample "$BUILD/cli-out"
for file in config.json model.safetensors tokenizer.json; do
    rm -rf "$out/bad" && cp -r "$out/a" "$out/bad"
    rm "$out/bad/$file"
    check "no $file" refuses 1 "$file" sample "$out/bad"
    cp "$out/zeros" "$out/bad/$file"
    check "zeros for $file" refuses 1 "$file" eval "$out/bad" "$out/list.txt"
    head -c 60 "$out/a/$file" >"$out/bad/$file"
    check "cut $file" refuses 1 "$file" info "$out/bad"
done
rm -rf "$out/bad" && cp -r "$out/a" "$out/bad"
head -c 5000 "$out/a/trainer.safetensors" >"$out/bad/trainer.safetensors"
check "a cut checkpoint" refuses 1 "trainer.safetensors" \
    train $small --out "$out/bad" --held-out 0.1 --resume
check "the cut file is left alone" [ \
    "$(wc -c <"$out/bad/trainer.safetensors")" -eq 5000 ]
check "--out is a file" refuses 1 "$out/zeros" train $small \
    --out "$out/zeros"
check "--out below a file" refuses 1 "$out/zeros" train $small \
    --out "$out/zeros/x"
check "another model's checkpoint" refuses 1 "" train $small --width 32 \
    --out "$out/a" --held-out 0.1 --resume

# ----------------------------------------------------- sample, eval, info --

check "sample" succeeds sample "$out/whole" --count 5 --seed 7
cp "$out/stdout" "$out/seven"
check "five texts" [ "$(wc -l <"$out/stdout")" -eq 5 ]
check "sample again" succeeds sample "$out/whole" --count 5 --seed 7 \
    --threads 3
check "the same seed, the same text" cmp -s "$out/stdout" "$out/seven"
check "another seed" succeeds sample "$out/whole" -n5 --seed=8
check "another text" sh -c "! cmp -s '$out/stdout' '$out/seven'"
check "prompt" succeeds sample "$out/whole" -p ma --temperature 0
check "it begins so" says '^ma'
check "greedy is greedy" succeeds sample "$out/whole" --count 2 --top-k 1
check "greedy is greedy" [ "$(sort -u "$out/stdout" | wc -l)" -eq 1 ]
check "prompt beyond the context" succeeds sample "$out/whole" \
    --prompt abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz
check "long text" succeeds sample "$out/whole" --length 300 --min-p 0.01
check "a character it does not have" refuses 1 "" sample "$out/whole" \
    --prompt 'A1'
check "sample --json" succeeds sample "$out/whole" --json
check "sample --json" says '^{"text": "[a-z]*", "seed": 42}$'

printf 'anna\nmaria\n' >"$out/two.txt"
check "eval" succeeds eval "$out/whole" "$out/two.txt"
check "eval" says '^perplexity  *[0-9.]*$'
check "eval --json" succeeds eval "$out/whole" "$out/two.txt" --json
check "eval --json" says '^{"tokens": 9, "bytes": 9, "loss": [0-9.]*,'
check "eval --json" says '"perplexity": [0-9.]*, "bits_per_byte": [0-9.]*}$'
check "eval --json: the line before" says '^{"documents": 2, "ends": 2, "loss_'
check "eval --each" succeeds eval "$out/whole" "$out/two.txt" --each
check "eval --each" says '^ *2 *5 *5 *[0-9.]* *[0-9.]*  worst$\|^ *1 .*worst$'
check "eval --each: passages" says '^best  *[0-9.]* bits per byte, document '
check "eval --each --json" succeeds eval "$out/whole" "$out/two.txt" --each \
    --json
check "eval --each --json" says '^{"passage": "best", "document": [12], "off'
check "eval --each --json" says '^{"document": 2, "tokens": 5, "bytes": 5, "l'
echo '{"prompt": "", "choices": ["nna", "xqz"], "answer": 0}' >"$out/choice"
check "eval --choices" succeeds eval "$out/whole" --choices "$out/choice"
check "eval --choices" says '^right  *100.00 %, the likeliest$'
check "eval --choices --each --json" succeeds eval "$out/whole" --each --json \
    --choices "$out/choice"
check "eval --choices --json" says '^{"items": 1, "accuracy": 1, "acc'
check "eval --choices of none" refuses 1 "line 1: JSON: " eval \
    "$out/whole" --choices "$out/list.txt"
check "eval of what it cannot read" refuses 1 "" eval "$out/whole" \
    "$out/prose.txt"

check "info" succeeds info
check "info" says '^level '
check "info --json" succeeds info --json
check "info --json" says '^{"version": .*}}$'
check "info MODEL" succeeds info "$out/whole"
check "info MODEL" says 'parameters  *4,'
gpt2="--preset gpt2 --vocabulary 50257 --batch 4 --context 64"
check "info --plan" succeeds info --plan $gpt2 --micro-batch 2
check "info --plan" says '^step *4 windows of 64, 2 at once'
check "info --plan" says '^parameters *495 MB *494,[0-9]*,[0-9]*$'
check "info --plan" says '^peak *2\.[0-9]* GB'
check "info --plan --json" succeeds info --plan $gpt2 --recompute --json
check "info --plan --json" says '^{"parameters": 494[0-9]*, "gradients": '
check "info --plan MODEL" succeeds info --plan "$out/whole" --batch 8
check "info --plan MODEL" says '^model  1 layer, 16 wide'
check "sizes without --plan" refuses 2 "without --plan" info --width 8
check "sizes of a model that is there" refuses 2 "has its own" \
    info --plan "$out/whole" --layers 2
check "a plan that cannot be" refuses 2 "not a multiple" \
    info --plan --width 9 --heads 2
check "train says its peak" succeeds train --steps 1 --count 0
check "train says its peak" says '^memory [0-9.]* [kM]B at its peak$'
check "no memory for a model" refuses 1 "take a smaller model" \
    train --layers 1000 --width 8192 --heads 8
check "no memory for a batch" refuses 1 "take a smaller --micro-batch" \
    train --layers 4 --width 512 --batch 1000000
check "LONGHAND_CPU=c" env LONGHAND_CPU=c $LONGHAND info >"$out/stdout"
check "LONGHAND_CPU=c" says '^level  *c$'
check "a wrong LONGHAND_CPU" env LONGHAND_CPU=z80 sh -c \
    "$LONGHAND info 2>'$out/stderr'; [ \$? -eq 2 ]"
check "bench" succeeds bench node "gemm 16" --seconds 0.02 --json
check "bench" [ "$(grep -c '^{"work": ".*}$' "$out/stdout")" -eq 4 ]
check "bench: a whole name alone" succeeds bench micro 1 --seconds 0.02
check "bench: a whole name alone" [ "$(grep -c '^micro' "$out/stdout")" -eq 1 ]
# A line for each product of the step, then all of them, and its share.
check "bench products" succeeds bench products nano f32 \
    --seconds 0.001 --json
check "bench products" says '^{"work": "products nano f32 tn 352x128x768 x8", '
check "bench products" [ "$(grep -c '"share": ' "$out/stdout")" -eq 13 ]
check "bench attention" succeeds bench attention 64 head 32 --seconds 0.001
check "bench attention" says '^attention 64 head 32 f32 backward .* %$'
check "bench decode" succeeds bench decode nano --seconds 0.01 --threads 2
check "bench decode" says '^decode nano f32 .* tokens/s'

finish
