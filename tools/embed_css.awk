# Makes src/cli/report_data.inc.h, a report's style sheet as C, from
# tools/report.css.
#
#     LC_ALL=C awk -f tools/embed_css.awk tools/report.css >report_data.inc.h

BEGIN {
    print "/* The style of a report.  Made by tools/embed_css.awk from"
    print " * tools/report.css: edit that, then make it again. */"
    print "static const char *const report_css[] = {"
}

{
    gsub(/\\/, "&&")
    gsub(/"/, "\\\"")
    # A line of at most 79 columns, cut anywhere but behind a backslash.
    while (length($0) > 70) {
        n = 70
        while (substr($0, n, 1) == "\\")
            n--
        print "    \"" substr($0, 1, n) "\""
        $0 = substr($0, n + 1)
    }
    print "    \"" $0 "\\n\","
}

END {
    print "};"
}
