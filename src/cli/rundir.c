/* A run's directory.
 *
 * Owns train.jsonl and the decision whether a directory may be used.  The
 * checkpoint and the exports are written by the library, each aside and
 * renamed.  The lock on the log keeps two runs out of one directory; it goes
 * with the process, however that ends. */
#include "cli/rundir.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <sys/file.h>
#include <sys/stat.h>

/* --------------------------------------------------------------- taking -- */

static bool rundir_has(const char *directory, const char *name)
{
    char path[4200];
    struct stat s;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return lstat(path, &s) == 0;
}

/* The directory and those above it. */
static int rundir_make(const char *directory)
{
    char path[4096];
    snprintf(path, sizeof path, "%s", directory);
    for (char *slash = path + 1; ; slash++) {
        slash += strcspn(slash, "/");
        char c = *slash;
        *slash = 0;
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            return cli_fail("--out %s: cannot make %s: %s", directory, path,
                            strerror(errno));
        if (!c)
            return CLI_DONE;
        *slash = c;
    }
}

/* With --resume a directory may hold a run, but not a model without one:
 * that would be overwritten. */
static int rundir_refuse(const char *path, bool resume, bool resumes)
{
    static const char *const file[] = { "model.safetensors", "config.json",
                                        "tokenizer.json",
                                        "tokenizer_config.json",
                                        "budget.txt" };
    if (resumes && resume)
        return CLI_DONE;
    if (resumes)
        return cli_fail("--out %s: holds a run; add --resume to go on with"
                        " it, or name another directory", path);
    for (int i = 0; i < 5; i++)   /* beside a log the last is the run's    */
        if (rundir_has(path, file[i]) &&
            (i < 4 || !rundir_has(path, "train.jsonl")))
            return cli_fail("--out %s: holds %s of something else; name"
                            " another directory", path, file[i]);
    return CLI_DONE;
}

/* A log begins as cli_step_json() begins a line.  What does not is
 * somebody's file, perhaps data of that name, and is left alone; a run that
 * was killed before its first checkpoint leaves a log alone. */
static int rundir_own(cli_rundir *d, bool resume)
{
    static const char begin[] = "{\"step\": ";
    char found[sizeof begin] = "";
    size_t size = fread(found, 1, sizeof begin - 1, d->log);
    if (ferror(d->log))
        return cli_fail("%s/train.jsonl: reading failed: %s", d->path,
                        strerror(errno));
    if (memcmp(found, begin, size) != 0)
        return cli_fail("--out %s: holds a train.jsonl that is no run's log;"
                        " name another directory", d->path);
    if (size && !resume)
        return cli_fail("--out %s: holds the log of a run that was not"
                        " saved; add --resume to begin it anew, or name"
                        " another directory", d->path);
    return CLI_DONE;
}

/* Takes the log, once; unless `make`, only where it is there. */
static int rundir_lock(cli_rundir *d, bool resume, bool make)
{
    char path[4200];
    if (d->log)
        return CLI_DONE;
    snprintf(path, sizeof path, "%s/train.jsonl", d->path);
    int file = open(path, O_RDWR | O_APPEND | O_CLOEXEC |
                          (make ? O_CREAT : 0), 0666);
    if (file < 0 && errno == ENOENT && !make)
        return CLI_DONE;
    if (file < 0)
        return cli_fail("%s: cannot be written: %s", path, strerror(errno));
    struct stat s;
    if (fstat(file, &s) != 0 || !S_ISREG(s.st_mode)) {
        close(file);
        return cli_fail("%s: is not a file; name another directory", path);
    }
    if (flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        close(file);
        return cli_fail("--out %s: another run is writing to it; wait for"
                        " it, or name another directory", d->path);
    }
    d->log = fdopen(file, "a+");
    if (!d->log) {
        close(file);
        return cli_fail("out of memory");
    }
    if (rundir_has(d->path, "trainer.safetensors") != d->resumes)
        return cli_fail("--out %s: another run has just written to it; try"
                        " again, or name another directory", d->path);
    return rundir_own(d, resume);
}

/* What killed runs were writing stands beside the files: "NAME.tmp-<pid>",
 * perhaps with "-<number>" behind it.  Nobody else writes here now. */
static void rundir_sweep(const char *directory)
{
    static const char *const name[] = {
        "trainer.safetensors", "model.safetensors", "config.json",
        "tokenizer.json", "tokenizer_config.json", "data.tokens",
        "data.windows", "report.html", "README.md", "budget.txt",
    };
    char path[4200];
    DIR *folder = opendir(directory);
    for (struct dirent *e; folder && (e = readdir(folder));)
        for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
            size_t size = strlen(name[i]);
            const char *end = e->d_name + size;
            if (strncmp(e->d_name, name[i], size) == 0 &&
                strncmp(end, ".tmp-", 5) == 0 &&
                !end[5 + strspn(end + 5, "0123456789-")] &&
                snprintf(path, sizeof path, "%s/%s", directory, e->d_name) <
                    (int)sizeof path)
                unlink(path);
        }
    if (folder)
        closedir(folder);
}

/* The directory, or that in which the first of those to be made will be. */
static int rundir_writable(const char *directory)
{
    char path[4096], *end = path;
    snprintf(path, sizeof path, "%s", directory);
    while (access(path, W_OK | X_OK) != 0) {
        if (errno != ENOENT || !end)
            return cli_fail("--out %s: %s cannot be written: %s", directory,
                            path, strerror(errno));
        end = strrchr(path, '/');
        strcpy(end ? end + (end == path) : path, end ? "" : ".");
    }
    return CLI_DONE;
}

int cli_rundir_fits(cli_rundir *d, const char *path, bool resume)
{
    d->path = path;
    d->resumes = rundir_has(path, "trainer.safetensors");
    int n = snprintf(d->checkpoint, sizeof d->checkpoint,
                     "%s/trainer.safetensors", path);
    int code = n > 0 && (size_t)n < sizeof d->checkpoint
        ? rundir_refuse(path, resume, d->resumes)
        : cli_fail("--out: the path is too long: %.64s...", path);
    if (!code)
        code = rundir_lock(d, resume, false);
    return code ? code : rundir_writable(path);
}

int cli_rundir_open(cli_rundir *d, bool resume)
{
    int code = rundir_make(d->path);
    if (!code)
        code = rundir_lock(d, resume, true);
    if (code)
        return code;
    char best[sizeof d->checkpoint];
    rundir_sweep(d->path);
    if (snprintf(best, sizeof best, "%s/best", d->path) < (int)sizeof best)
        rundir_sweep(best);
    return CLI_DONE;
}

void cli_rundir_close(cli_rundir *d)
{
    free(d->unjudged);
    if (d->log)
        fclose(d->log);
    d->log = NULL;
}

/* ------------------------------------------------------------------ log -- */

static int rundir_failed(const cli_rundir *d)
{
    return cli_fail("%s/train.jsonl: writing failed: %s; make room and go on"
                    " with --resume", d->path, strerror(errno));
}

int cli_rundir_trim(cli_rundir *d, int64_t step, cli_view *v)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    off_t keep = 0;
    rewind(d->log);
    while ((size = getline(&line, &room, d->log)) > 0) {
        long long at;
        char *loss = strstr(line, "\"loss\": ");
        char *held = strstr(line, "\"held_out_loss\": ");
        if (line[size - 1] != '\n' ||
            sscanf(line, "{\"step\": %lld,", &at) != 1 || at > step)
            break;
        char *bits = strstr(line, "\"held_out_bits_per_byte\": ");
        free(d->unjudged);
        d->unjudged = at == step && !held ? strdup(line) : NULL;
        d->unjudged_at = keep;
        if (bits)
            v->bits = strtod(bits + 26, NULL);
        if (loss)
            cli_view_past(v, at, strtod(loss + 8, NULL), held
                          ? strtod(held + 17, NULL) : (double)NAN);
        keep += size;
    }
    free(line);
    /* Without memory for a line, getline() ends as if the file did. */
    bool read = size > 0 || (feof(d->log) && !ferror(d->log));
    if (!read || ftruncate(fileno(d->log), keep) != 0 ||
        fseeko(d->log, 0, SEEK_END) != 0)
        return rundir_failed(d);
    return CLI_DONE;
}

int cli_rundir_log(cli_rundir *d, const cli_step *report,
                   const char *more)
{
    cli_step_json(d->log, report, more);
    return fflush(d->log) ? rundir_failed(d) : CLI_DONE;
}

int cli_rundir_judge(cli_rundir *d, const cli_step *report)
{
    char *rest = strstr(d->unjudged, ", \"lr\": ");
    if (!rest)
        return CLI_DONE;
    if (ftruncate(fileno(d->log), d->unjudged_at) != 0)
        return rundir_failed(d);
    fwrite(d->unjudged, 1, (size_t)(rest - d->unjudged), d->log);
    cli_json_real(d->log, "held_out_loss", report->held_out);
    cli_json_real(d->log, "held_out_bits_per_byte", report->bits);
    fputs(rest, d->log);
    return fflush(d->log) ? rundir_failed(d) : CLI_DONE;
}

int cli_rundir_sync(cli_rundir *d)
{
    if (fflush(d->log) != 0)
        return rundir_failed(d);
    /* A place that cannot be synced (EINVAL) cannot lose it either. */
    if (fsync(fileno(d->log)) != 0 && errno != EINVAL)
        return rundir_failed(d);
    return CLI_DONE;
}
