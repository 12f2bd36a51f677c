/* Several models that train at once: how much work is done in all.
 *
 *   tool_crowd PRESET COUNT THREADS SECONDS [processes]
 *
 * COUNT contexts of THREADS threads each, every one in a thread of its own, or
 * in a process; prints the steps that all of them made in a second together.
 * On a machine whose cores are fewer than COUNT * THREADS the sum should be
 * about that of THREADS = 1. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "longhand.h"

static const char *crowd_preset;
static int crowd_threads;
static double crowd_seconds;

static double crowd_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Steps per second of one of the crowd: below 0 where it fails.  A preset's
 * own batch over the built-in names; over one text but for micro. */
static double crowd_train(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){
        .threads = crowd_threads });
    lh_dataset *names = lh_dataset_names(ctx), *d = names;
    size_t size;
    const char *text = lh_dataset_bytes(names, &size);
    if (strcmp(crowd_preset, "micro") != 0)
        d = lh_dataset_text(ctx, text, size, LH_DOCUMENTS_WHOLE);
    lh_tokenizer *k = lh_tokenizer_characters(ctx, text, size);
    lh_config config;
    lh_train_settings settings;
    double rate = -1;
    if (k && d && !lh_preset(ctx, crowd_preset, &config) &&
        !lh_train_preset(ctx, crowd_preset, &settings)) {
        config.vocabulary = lh_tokenizer_vocabulary(k);
        settings.steps = 1000000000;
        settings.schedule = LH_CONSTANT;
        settings.cool_down = 0;
        settings.held_out = 0;
        lh_model *m = lh_model_new(ctx, &config, 42);
        lh_trainer *t = lh_trainer_new(ctx, m, k, d, &settings);
        lh_progress p;
        bool good = t && !lh_trainer_step(t, &p);    /* takes its memory   */
        double begun = crowd_clock(), now = begun;
        double steps = 0;
        for (; good && now - begun < crowd_seconds; steps++) {
            good = !lh_trainer_step(t, &p);
            now = crowd_clock();
        }
        rate = good ? steps / (now - begun) : -1;
        lh_trainer_free(t);
        lh_model_free(m);
    }
    if (lh_error_status(ctx))
        fprintf(stderr, "tool_crowd: %s\n", lh_error_message(ctx));
    lh_tokenizer_free(k);
    if (d != names)
        lh_dataset_free(d);
    lh_dataset_free(names);
    lh_context_free(ctx);
    return rate;
}

static void *crowd_thread(void *arg)
{
    *(double *)arg = crowd_train();
    return NULL;
}

enum { CROWD_MOST = 64 };

static double crowd_in_threads(int count)
{
    pthread_t thread[CROWD_MOST];
    double rate[CROWD_MOST], sum = 0;
    for (int i = 0; i < count; i++)
        if (pthread_create(&thread[i], NULL, crowd_thread, &rate[i]))
            exit(1);
    for (int i = 0; i < count; i++) {
        pthread_join(thread[i], NULL);
        sum += rate[i];
    }
    return sum;
}

static double crowd_in_processes(int count)
{
    int ends[2];
    double sum = 0;
    if (pipe(ends))
        exit(1);
    for (int i = 0; i < count; i++)
        if (fork() == 0) {
            double rate = crowd_train();
            _exit(write(ends[1], &rate, sizeof rate) != sizeof rate);
        }
    for (int i = 0; i < count; i++) {
        double rate;
        if (read(ends[0], &rate, sizeof rate) != sizeof rate)
            exit(1);
        sum += rate;
    }
    while (wait(NULL) > 0)
        ;
    return sum;
}

int main(int argc, char **argv)
{
    if (argc < 5 || atoi(argv[2]) < 1 || atoi(argv[2]) > CROWD_MOST) {
        fprintf(stderr, "usage: tool_crowd PRESET COUNT THREADS SECONDS"
                " [processes]\n");
        return 2;
    }
    crowd_preset = argv[1];
    crowd_threads = atoi(argv[3]);
    crowd_seconds = atof(argv[4]);
    int count = atoi(argv[2]);
    double rate = argc > 5 ? crowd_in_processes(count)
                           : crowd_in_threads(count);
    printf("%.2f\n", rate);
    return rate > 0 ? 0 : 1;
}
