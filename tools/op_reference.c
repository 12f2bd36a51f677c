/* Prints docs/ops.md: the op reference, from the tables of the ops alone. */
#include <stdio.h>

static void row(const char *name, const char *arguments, const char *y,
                const char *slopes, const char *doc)
{
    printf("| `lh_%s(t, %s)` | %s | `%s` | `%s` |\n", name, arguments, doc,
           y, slopes);
}

int main(void)
{
    printf("# The operations\n\n"
           "Made from `src/kernels/elementwise.def` and"
           " `src/autograd/ops.def` by\n`make docs/ops.md`; the check"
           " compares it. What the words of the rows mean\nstands at the"
           " head of `elementwise.def`.\n\n"
           "## Elementwise\n\n"
           "One row of the table each: forward, and the local gradients that"
           " backward\nmultiplies by the gradient from above.\n\n"
           "| call | what | y = | local gradients |\n|---|---|---|---|\n");
#define UNARY(name, y, dx, doc) row(#name, "x", #y, #dx, doc);
#define UNARY_S(name, y, dx, doc) row(#name, "x, s", #y, #dx, doc);
#define BINARY(name, y, da, db, doc) \
    row(#name, "a, b", #y, #da "`, `" #db, doc);
#include "kernels/elementwise.def"
    printf("\n## The others\n\n"
           "Forward and vector-Jacobian product stand side by side in"
           " `src/autograd/`;\nthe functions' manual is"
           " `include/longhand.h`.\n\n"
           "| op | what | file |\n|---|---|---|\n");
#define OP(name, doc, file) \
    printf("| `%s` | %s | `%s` |\n", #name, doc, file);
#include "autograd/ops.def"
    return 0;
}
