/* What `-h` prints, and the man page: made from the tables alone, so that
 * neither can say anything that the parser does not do. */
#include "cli/cli.h"

/* ---------------------------------------------------------------- help -- */

void cli_help(FILE *f)
{
    fprintf(f, "Longhand %s: train and run GPT language models, written out"
            " in full.\n\n", lh_version());
    for (int s = 0; s < CLI_SUBCOMMANDS; s++) {
        const cli_subcommand_row *row = &cli_subcommand_table[s];
        char words[64];
        snprintf(words, sizeof words, "%s %s", row->name, row->operands);
        fprintf(f, "  longhand %-20s %s\n", words, row->what);
    }
    fprintf(f, "\n  longhand COMMAND -h           its options\n"
            "  longhand --version            the version\n\n"
            "Start with\n\n  longhand train                a model on given"
            " names, in a second or two\n");
}

/* "(preset)" is words, "0.8" a value: both are shown in brackets. */
static void help_standard(char *text, size_t size, const cli_option_row *row)
{
    size_t length = strlen(row->standard);
    text[0] = 0;
    if (length && row->standard[0] == '(')
        snprintf(text, size, " [%.*s]", (int)length - 2, row->standard + 1);
    else if (length)
        snprintf(text, size, " [%s]", row->standard);
}

void cli_help_subcommand(FILE *f, cli_subcommand s)
{
    const cli_subcommand_row *row = &cli_subcommand_table[s];
    const char *before = "";
    fprintf(f, "longhand %s %s: %s\n%s\n\n", row->name, row->operands,
            row->what, row->more);
    for (int o = 0; o < OPT_COUNT; o++) {
        const cli_option_row *option = &cli_option_table[o];
        const char *heading = cli_option_heading((cli_option)o);
        const char letter[] = { ' ', '-', option->letter, 0 };
        char name[64], standard[64];
        if (!(option->who & 1u << s))
            continue;
        snprintf(name, sizeof name, "--%s%s%s%s", option->name,
                 option->letter ? letter : "", option->holder[0] ? " " : "",
                 option->holder);
        help_standard(standard, sizeof standard, option);
        fprintf(f, "%-9s %-20s %s%s\n",
                strcmp(heading, before) != 0 ? heading : "", name,
                option->help, standard);
        before = heading;
    }
    fprintf(f, "\nExample: %s\n", row->example);
}

/* ------------------------------------------------------------- man page -- */

/* Text with what roff would take for its own made harmless. */
static void man_text(FILE *f, const char *text)
{
    bool start = true;
    for (; *text; text++) {
        if (start && (*text == '.' || *text == '\''))
            fputs("\\&", f);
        if (*text == '-')
            fputs("\\-", f);
        else if (*text == '\\')
            fputs("\\e", f);
        else
            fputc(*text, f);
        start = *text == '\n';
    }
}

static void man_option(FILE *f, const cli_option_row *row)
{
    char standard[64];
    fputs(".TP\n.B \\-\\-", f);
    man_text(f, row->name);
    if (row->letter)
        fprintf(f, ", \\-%c", row->letter);
    if (row->holder[0])
        fprintf(f, " \\fI%s\\fR", row->holder);
    fputs("\n", f);
    man_text(f, row->help);
    help_standard(standard, sizeof standard, row);
    man_text(f, standard);
    if (row->value.kind == CLI_INTEGER)
        fprintf(f, "\n(a whole number from %.0f to %.0f)", row->value.low,
                row->value.high);
    if (row->value.kind == CLI_REAL)
        fprintf(f, "\n(a number from %g to %g)", row->value.low,
                row->value.high);
    fputs("\n", f);
}

static void man_subcommand(FILE *f, cli_subcommand s)
{
    const cli_subcommand_row *row = &cli_subcommand_table[s];
    fprintf(f, ".SH LONGHAND %s\n.B longhand %s\n.I ", row->name, row->name);
    man_text(f, row->operands);
    fputs("\n.PP\nTo ", f);
    man_text(f, row->what);
    fputs(".\n", f);
    man_text(f, row->more);
    fputs("\n.PP\nExample:\n.B ", f);
    man_text(f, row->example);
    fputs("\n", f);
    for (int o = 0; o < OPT_COUNT; o++)
        if (cli_option_table[o].who & 1u << s)
            man_option(f, &cli_option_table[o]);
}

void cli_man(FILE *f)
{
    fprintf(f, ".TH LONGHAND 1 \"\" \"Longhand %s\"\n.SH NAME\nlonghand \\-"
            " train and run GPT language models, written out in full\n"
            ".SH SYNOPSIS\n", lh_version());
    for (int s = 0; s < CLI_SUBCOMMANDS; s++)
        fprintf(f, ".B longhand %s\n[options]\n.I %s\n.br\n",
                cli_subcommand_table[s].name,
                cli_subcommand_table[s].operands);
    fputs(".B longhand \\-\\-version\n.SH DESCRIPTION\nOptions are spelled"
          " alike in every subcommand, as\n.B \\-\\-option=value\nor\n"
          ".B \\-\\-option value\\fR;\n.B \\-\\-\nends them.\n", f);
    for (int s = 0; s < CLI_SUBCOMMANDS; s++)
        man_subcommand(f, (cli_subcommand)s);
    fputs(".SH FILES\nA run's directory DIR holds\n.B trainer.safetensors\n"
          "(all that \\-\\-resume needs),\n.B train.jsonl\n(its steps, one"
          " object a line) and the model as exported for others:\n"
          ".BR config.json ,\n.BR model.safetensors ,\n"
          ".BR tokenizer.json .\n"
          ".B report.html\nshows the run,\n.B README.md\nis the model's"
          " card;\n.B best\nholds the model of the least held-out loss,"
          " where that is not the last.\n", f);
    fputs(".SH ENVIRONMENT\n.TP\n.B LONGHAND_CPU\nc, sse2, avx2, avx512 or"
          " neon: no better kernels than these.\n.TP\n.B NO_COLOR\nno"
          " colours on a terminal.\n", f);
    fputs(".SH EXIT STATUS\n0 done; 1 failed, or stopped (the checkpoint is"
          " saved and the line says\nhow to go on); 2 wrong usage.\n", f);
}
