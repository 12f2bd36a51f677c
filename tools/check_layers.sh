#!/bin/sh
# Proves from the #include lines that rooms stand only on those below:
# base <- kernels <- autograd <- model <- train, infer <- cli, and dataset,
# tokenizer and formats on base alone.
set -u
awk '
BEGIN {
    may["base"]      = "base"
    may["kernels"]   = "base kernels"
    may["autograd"]  = "base kernels autograd"
    may["dataset"]   = "base dataset"
    may["tokenizer"] = "base tokenizer"
    may["formats"]   = "base formats"
    may["model"]     = "base kernels autograd formats tokenizer model"
    may["train"]     = "base kernels autograd formats tokenizer model" \
                       " dataset train"
    may["infer"]     = "base kernels autograd tokenizer model infer"
    may["cli"]       = "cli"
    for (room in may) {
        n = split(may[room], below, " ")
        for (i = 1; i <= n; i++) allowed[room, below[i]] = 1
    }
}
FNR == 1 { split(FILENAME, part, "/"); room = part[2] }
/^[ \t]*#[ \t]*include[ \t]*"/ {
    target = $0
    sub(/^[^"]*"/, "", target)
    sub(/".*$/, "", target)
    includes++
    if (target == "longhand.h") next
    if (!(room in may))
        why = "is in no known room"
    else if (target !~ /\//)
        why = "includes \"" target "\" without its room"
    else {
        split(target, part, "/")
        if ((room, part[1]) in allowed) next
        why = "includes \"" target "\": " room " does not stand on " part[1]
    }
    print FILENAME ":" FNR ": " why
    wrong++
}
# The one place where a context is made, for it holds the kernel table.
/^LH_API lh_context \*lh_context_new\(/ && \
FILENAME != "src/kernels/context.c" {
    print FILENAME ":" FNR ": contexts are made in src/kernels/context.c"
    wrong++
}
END {
    print includes " includes, " wrong + 0 " against the layers"
    exit wrong || !includes
}' src/*/*.c src/*/*.h src/*/*.def
