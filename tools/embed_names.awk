# Makes src/dataset/names_data.inc.h, the built-in names as C, from
# tools/names.txt: one name a line, a-z alone, ascending, none twice.
#
#     LC_ALL=C awk -f tools/embed_names.awk tools/names.txt >names_data.inc.h
#
# A C string may have 4,095 characters (C11, 5.2.4.1): so an array of
# strings, each of them full lines of at most 79 columns.  The same names
# give the same bytes with every awk.

function fail(what) {
    printf "%s:%d: %s: %s\n", FILENAME, FNR, $0, what > "/dev/stderr"
    failed = 1
    exit 1
}

function flush_line() {
    if (line == "")
        return
    text = text "    \"" line "\"\n"
    size += length(line)
    line = ""
}

function flush_string() {
    flush_line()
    if (size == 0)
        return
    # A comma goes behind the string's last line.
    strings = strings substr(text, 1, length(text) - 1) ",\n"
    text = ""
    size = 0
}

{
    if ($0 !~ /^[abcdefghijklmnopqrstuvwxyz]+$/)
        fail("a name is made of the letters a-z")
    if (length($0) < 2 || length($0) > 15)
        fail("a name has 2 to 15 letters")
    if (NR > 1 && $0 "" <= before "")
        fail("names ascend, and none is there twice")
    before = $0
    if (length(line) + length($0) + 1 > 72) {
        flush_line()
        if (size > 3900)
            flush_string()
    }
    line = line $0 " "
    count++
}

END {
    if (failed)
        exit 1
    flush_string()
    printf "/* The %d built-in names, each with a blank behind it.\n", count
    print " * Made by tools/embed_names.awk from tools/names.txt: edit that,"
    print " * then LC_ALL=C awk -f tools/embed_names.awk tools/names.txt. */"
    print "static const char *const names_data[] = {"
    printf "%s", strings
    print "};"
}
