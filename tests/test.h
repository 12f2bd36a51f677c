/* The tests' whole framework: checks that count and say where they failed.
 *
 * A test is a program.  CHECK and its kin count; a failure prints the place
 * and both values and the program goes on; test_end() prints one line and
 * gives the exit status.  A program that checked nothing fails. */
#ifndef LH_TEST_H
#define LH_TEST_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t test_passed, test_failed;

static inline void test_note(bool ok, const char *file, int line,
                             const char *what)
{
    if (ok) {
        test_passed++;
        return;
    }
    test_failed++;
    if (test_failed <= 20)
        printf("%s:%d: failed: %s\n", file, line, what);
}

#define CHECK(condition) \
    test_note((condition) ? true : false, __FILE__, __LINE__, #condition)

#define CHECK_EQ_INT(got, wanted) do { \
    long long test_g = (long long)(got), test_w = (long long)(wanted); \
    test_note(test_g == test_w, __FILE__, __LINE__, #got " == " #wanted); \
    if (test_g != test_w && test_failed <= 20) \
        printf("    got %lld, wanted %lld\n", test_g, test_w); \
} while (0)

#define CHECK_STR(got, wanted) do { \
    const char *test_g = (got), *test_w = (wanted); \
    bool test_ok = test_g && test_w && strcmp(test_g, test_w) == 0; \
    test_note(test_ok, __FILE__, __LINE__, #got " is " #wanted); \
    if (!test_ok && test_failed <= 20) \
        printf("    got \"%s\"\n    wanted \"%s\"\n", \
               test_g ? test_g : "(null)", test_w ? test_w : "(null)"); \
} while (0)

/* Says loudly that something could not be tested here, and why. */
#define SKIP(what, why) printf("SKIPPED: %s: %s\n", (what), (why))

static inline int test_end(const char *name)
{
    printf("%-28s %" PRId64 " passed, %" PRId64 " failed\n", name,
           test_passed, test_failed);
    return test_failed || !test_passed ? 1 : 0;
}

/* The folder of data that is not in the repository, or NULL: set
 * LONGHAND_TEST_DATA, or keep it at ../shared/data beside the checkout. */
static inline const char *test_data(void)
{
    const char *set = getenv("LONGHAND_TEST_DATA");
    return set ? set : "../shared/data";
}

/* A small generator for test inputs; the library's own is under test. */
static inline uint64_t test_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

#endif
