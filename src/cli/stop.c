/* Ctrl-C and its kin ask long work to stop where it is safe. */
#include "cli/cli.h"

volatile sig_atomic_t cli_stop;

static void stop_on_signal(int number)
{
    (void)number;
    cli_stop = 1;
}

/* The first signal asks to stop, the second one kills: a run is safe from
 * that too.  A reader that goes away (train | head) and a limit on file sizes
 * must not kill a run: the write fails instead, and the run stops. */
void cli_signals(void)
{
    struct sigaction a = { 0 };
    a.sa_handler = stop_on_signal;
    a.sa_flags = SA_RESTART | (int)SA_RESETHAND;
    sigemptyset(&a.sa_mask);
    /* What is ignored already (nohup) stays so. */
    static const int number[] = { SIGINT, SIGTERM, SIGHUP };
    for (int i = 0; i < 3; i++) {
        struct sigaction before;
        if (sigaction(number[i], NULL, &before) == 0 &&
            before.sa_handler != SIG_IGN)
            sigaction(number[i], &a, NULL);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}
