/* All templates in the order in which they lean on each other, and the
 * function that fills the table: from the lists, so that a kernel without a
 * template does not compile.  A file rows_<isa>.c includes this last. */
#include "kernels/math.inc.h"
#include "kernels/lanes.inc.h"
#ifndef GENERAL_ALONE
#include "kernels/gemm_small.inc.h"
#endif
#include "kernels/gemm.inc.h"
#include "kernels/bf16.inc.h"
#ifndef GENERAL_ALONE
#include "kernels/attention_short.inc.h"
#endif
#include "kernels/attention.inc.h"
#include "kernels/rows.inc.h"
#include "kernels/columns.inc.h"
#include "kernels/misc.inc.h"
#include "kernels/elementwise.inc.h"

LH_INTERNAL void VEC_SUFFIX(lh_rows)(lh_kernel_fn *fn[LH_KERNEL_COUNT])
{
#define KERNEL(name, doc) fn[LH_KERNEL_##name] = VEC_SUFFIX(name);
#include "kernels/kernels.def"
}

#include "kernels/vec_end.h"
#undef GEMM_ROWS
#undef GENERAL_ALONE
#undef ADAMW_QUOTIENT
#undef ADAMW_LIFTS
#undef LANES_IN_MEMORY
