/* The rows for avx2. */
#include "base/strict.h"

#include "kernels/kernels.h"

LH_INTERNAL void lh_rows_avx2(lh_kernel_fn *fn[LH_KERNEL_COUNT])
{
    (void)fn;
}
