/* Faults on purpose.  A build with -DLH_SABOTAGE carries those of
 * sabotage.def, from 1 on, and two more kinds: LH_FAULT_OPS + i gives op
 * number i of lh_op_get() the gradient from above with a wrong sign,
 * LH_FAULT_KERNELS + k leaves out the last item of each launch of kernel k.
 * The environment variable LH_SABOTAGE=n switches number n on, and some test
 * must then fail (tests/sabotage.sh).  In every other build the number is
 * the constant 0. */
#pragma once

#include "base/base.h"

typedef enum lh_fault {
    LH_FAULT_none,
#define FAULT(name, doc) LH_FAULT_##name,
#include "base/sabotage.def"
#undef FAULT
    LH_FAULT_COUNT,
    LH_FAULT_OPS = 100,
    LH_FAULT_KERNELS = 300
} lh_fault;

#ifdef LH_SABOTAGE
LH_INTERNAL int lh_sabotage_number(void);
#define SABOTAGE_NUMBER lh_sabotage_number()
#else
#define SABOTAGE_NUMBER 0
#endif
#define SABOTAGED(name) (SABOTAGE_NUMBER == LH_FAULT_##name)
