/* Which fault is switched on: the variable LH_SABOTAGE, read once.  Only the
 * sabotage build has it (see sabotage.h). */
#include "base/sabotage.h"

#ifdef LH_SABOTAGE
#include <stdlib.h>

LH_INTERNAL int lh_sabotage_number(void)
{
    static atomic_int sabotage_read = -1;        /* not read yet           */
    int number = atomic_load_explicit(&sabotage_read, memory_order_relaxed);
    if (number >= 0)
        return number;
    const char *set = getenv("LH_SABOTAGE");
    number = 0;
    for (; set && *set >= '0' && *set <= '9' && number < 1000; set++)
        number = 10 * number + (*set - '0');
    atomic_store_explicit(&sabotage_read, number, memory_order_relaxed);
    return number;
}
#endif
