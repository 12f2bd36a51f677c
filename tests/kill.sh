#!/bin/sh
# Kills runs at random instants and goes on with them: no file is ever broken,
# never more is lost than what came behind the last checkpoint, and the bits
# are those of the run that nobody touched.
#
#   BUILD=build KILLS=1000 sh tests/kill.sh
set -u
# File systems that fill up need a namespace of one's own.
if [ -z "${KILL_INSIDE:-}" ] && unshare -Urm true 2>/dev/null; then
    KILL_INSIDE=1 exec unshare -Urm sh "$0"
fi
BUILD=${BUILD:-build}
LONGHAND=${LONGHAND:-$BUILD/longhand}
kills=${KILLS:-20}
out=$BUILD/kill-out
run="--preset micro --steps 1500 --batch 8 --held-out 0.05 --eval-every 100"
run="$run --count 0 --threads 1 --sample-every 300"
every=50
passed=0 failed=0
rm -rf "$out"
mkdir -p "$out"

check() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "kill.sh: failed: $1: '$2', not '$3'"
    fi
}
random() {                        # 0 .. $1 - 1
    echo $(($(od -An -N4 -tu4 /dev/urandom) % $1))
}
# The step of the checkpoint in a directory; 0: there is none.
saved() {
    step=$(head -c 4096 "$1/trainer.safetensors" 2>/dev/null |
           tr -c '[:print:]' '\n' | sed -n 's/.*"step":"\([0-9]*\)".*/\1/p')
    echo "${step:-0}"
}
losses() {
    sed 's/, "tokens_per_second.*//; s/, "sample".*//' "$1/train.jsonl"
}
# The models in a run's directory can be read, or are not there.
whole() {
    for model in "$1" "$1/best"; do
        [ -e "$model/config.json" ] || continue
        $LONGHAND sample "$model" --length 1 >/dev/null 2>"$out/errors"
        check "$model is whole" "$(cat "$out/errors")" ""
    done
}
# The run is the one that nothing happened to.
same() {
    for file in trainer.safetensors model.safetensors config.json \
        tokenizer.json; do
        cmp "$out/whole/$file" "$1/$file"
        check "the same $file" $? 0
    done
    check "the same losses" "$(losses "$1")" "$(losses "$out/whole")"
    check "nothing is left beside" "$(find "$1" -name '*.tmp-*')" ""
}

$LONGHAND train $run --quiet --out "$out/whole" || failed=1
killed=0 begun=0
while [ $killed -lt "$kills" ]; do
    begun=$((begun + 1))
    dir=$out/killed$begun last=0
    while [ $killed -lt "$kills" ] && [ ! -e "$dir/README.md" ]; do
        $LONGHAND train $run --json --save-every $every --out "$dir" \
            --resume >"$out/steps" 2>"$out/errors" &
        pid=$!
        sleep "$(printf '0.%03d' "$(random 120)")"
        kill -9 $pid 2>/dev/null && killed=$((killed + 1))
        wait $pid 2>/dev/null
        check "nothing is wrong" "$(cat "$out/errors")" ""
        step=$(saved "$dir")
        # The last step that was told; its own checkpoint may not be there.
        told=$(sed -n 's/^{"step": \([0-9]*\),.*}$/\1/p' "$out/steps" |
               tail -n 1)
        least=$(((${told:-1} - 1) / every * every))
        [ $least -lt $last ] && least=$last
        check "the checkpoint of step $least or later" \
            "$([ "$step" -lt $least ] && echo "$step")" ""
        last=$step
        whole "$dir"
    done
    $LONGHAND train $run --quiet --save-every $every --out "$dir" --resume \
        2>"$out/errors"
    check "it goes on" "$(cat "$out/errors")" ""
    same "$dir"
    rm -rf "$dir"
done
echo "killed $killed times in $begun runs"

# A disk of any size, full: one line says so, what is there is whole, and with
# more room the run goes on to the same bits.
disk=$out/disk size=16
mkdir -p "$disk"
while [ $size -lt 240 ]; do
    if ! mount -t tmpfs -o size=${size}k none "$disk" 2>/dev/null; then
        echo "SKIPPED: full disks: nothing may be mounted here"
        break
    fi
    $LONGHAND train $run --quiet --save-every $every --out "$disk/run" \
        >"$out/steps" 2>"$out/errors"
    code=$?
    check "it says why it failed ($size kB)" "$([ $code -ne 0 ] &&
        ! grep -qi 'no space' "$out/errors" && cat "$out/errors")" ""
    whole "$disk/run"
    mount -t tmpfs -o remount,size=4m none "$disk"
    $LONGHAND train $run --quiet --save-every $every --out "$disk/run" \
        --resume 2>"$out/errors"
    check "it goes on ($size kB)" "$(cat "$out/errors")" ""
    same "$disk/run"
    umount "$disk"
    size=$((size + ${DISK_STEP:-32}))
done
printf '%-28s %d passed, %d failed\n' kill $passed $failed
rm -rf "$out"
[ $failed -eq 0 ]
