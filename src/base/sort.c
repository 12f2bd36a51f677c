/* Heapsort (Williams 1964, Floyd's way of building the heap). */
#include "base/base.h"

/* Moves item[at] down until no child is greater. */
static void sort_sift(const void **item, size_t at, size_t count,
                      int (*compare)(const void *a, const void *b))
{
    const void *moving = item[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && compare(item[child], item[child + 1]) < 0)
            child++;
        if (compare(moving, item[child]) >= 0)
            break;
        item[at] = item[child];
    }
    item[at] = moving;
}

LH_INTERNAL void lh_sort(const void **item, size_t count,
                         int (*compare)(const void *a, const void *b))
{
    for (size_t i = count / 2; i-- > 0;)
        sort_sift(item, i, count, compare);
    for (size_t last = count; last-- > 1;) {
        const void *greatest = item[0];
        item[0] = item[last];
        item[last] = greatest;
        sort_sift(item, 0, last, compare);
    }
}
