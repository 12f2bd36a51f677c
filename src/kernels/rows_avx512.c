/* The rows for avx512. */
#include "base/strict.h"

#include "kernels/kernels.h"

LH_INTERNAL void lh_rows_avx512(lh_kernel_fn *fn[LH_KERNEL_COUNT])
{
    (void)fn;
}
