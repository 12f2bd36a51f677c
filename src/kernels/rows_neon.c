/* The rows for neon. */
#include "base/strict.h"

#include "kernels/kernels.h"

LH_INTERNAL void lh_rows_neon(lh_kernel_fn *fn[LH_KERNEL_COUNT])
{
    (void)fn;
}
