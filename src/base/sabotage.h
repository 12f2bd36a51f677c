/* Faults on purpose.  A build with -DLH_SABOTAGE carries those of
 * sabotage.def; the environment variable LH_SABOTAGE=n switches number n on,
 * and some test must then fail (tests/sabotage.sh).  In every other build
 * the condition is the constant false. */
#ifndef LH_SABOTAGE_H
#define LH_SABOTAGE_H

#include "base/base.h"

typedef enum lh_fault {
    LH_FAULT_none,
#define FAULT(name, doc) LH_FAULT_##name,
#include "base/sabotage.def"
#undef FAULT
    LH_FAULT_COUNT
} lh_fault;

#ifdef LH_SABOTAGE
LH_INTERNAL int lh_sabotage_number(void);
#define SABOTAGED(name) (lh_sabotage_number() == LH_FAULT_##name)
#else
#define SABOTAGED(name) false
#endif

#endif
