/* The program: what is asked for, and who does it.
 *
 * Exit codes: 0 done, 1 failed or stopped, 2 wrong usage.  Errors are one
 * line on stderr: what, where, what to do.  Nothing is made before the
 * command line has been read, so that --version takes about a millisecond. */
#include "cli/cli.h"

/* The work, on a context with the options' threads. */
static int main_run(cli_subcommand s, int argc, char **argv)
{
    cli_options o;
    lh_context *ctx = NULL;
    char **memory = calloc((size_t)argc, sizeof *memory);
    int code = memory ? cli_options_parse(&o, s, argc, argv, memory)
                      : cli_fail("out of memory");
    if (code == CLI_DONE && o.given[OPT_help]) {
        cli_help_subcommand(stdout, s);
    } else if (code == CLI_DONE) {
        ctx = lh_context_new(&(lh_settings){ .threads = (int)o.integer[
            s == CLI_bench ? OPT_bench_threads : OPT_threads] });
        code = !ctx ? cli_fail("out of memory")
             : lh_error_status(ctx) ? cli_impossible(ctx)
             : cli_subcommand_table[s].run(&o, ctx);
    }
    lh_context_free(ctx);
    free(memory);
    return code;
}

/* The subcommand of that name; CLI_SUBCOMMANDS: there is none. */
static cli_subcommand main_find(const char *word)
{
    int s = 0;
    while (s < CLI_SUBCOMMANDS && strcmp(word, cli_subcommand_table[s].name))
        s++;
    return (cli_subcommand)s;
}

static int main_unknown(const char *word)
{
    const char *near = cli_near(word, 0);
    if (near)
        return cli_usage("unknown command %s; did you mean %s?", word, near);
    return cli_usage("unknown command %s; longhand -h lists them", word);
}

/* `longhand help train` is `longhand train -h`. */
static int main_help(int argc, char **argv)
{
    cli_subcommand s = argc > 2 ? main_find(argv[2]) : CLI_SUBCOMMANDS;
    if (s < CLI_SUBCOMMANDS)
        cli_help_subcommand(stdout, s);
    else if (argc > 2)
        return main_unknown(argv[2]);
    else
        cli_help(stdout);
    return CLI_DONE;
}

static int main_word(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (!word[0])
        return cli_usage("no command; `longhand train` trains a model in a"
                         " second or two, `longhand -h` lists the rest");
    if (strcmp(word, "--version") == 0) {
        printf("longhand %s\n", lh_version());
        return CLI_DONE;
    }
    if (strcmp(word, "--man") == 0) {
        cli_man(stdout);
        return CLI_DONE;
    }
    if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0 ||
        strcmp(word, "help") == 0)
        return main_help(argc, argv);
    cli_subcommand s = main_find(word);
    if (s == CLI_SUBCOMMANDS)
        return main_unknown(word);
    cli_name = word;
    return main_run(s, argc, argv);
}

int main(int argc, char **argv)
{
    int code = main_word(argc, argv);
    int flushed = cli_flush();
    return code ? code : flushed;
}
