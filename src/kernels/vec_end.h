/* Takes back what vec_<isa>.h and math.inc.h defined, and closes the target
 * region where one is open. */
#if VEC_WIDTH >= 8
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

#undef VEC
#undef VEC_INT
#undef VEC_WIDTH
#undef VEC_SUFFIX
#undef VEC_PART
#undef VEC_LOAD
#undef VEC_STORE
#undef VEC_STREAM
#undef VEC_STREAM_END
#undef VEC_LOAD_PART
#undef VEC_STORE_PART
#undef VEC_SET
#undef VEC_INT_SET
#undef VEC_BITS
#undef VEC_FLOAT
#undef VEC_MUL_WIDE
#undef VEC_ZIP_LOW
#undef VEC_ZIP_HIGH
#undef K
#undef FMA
#undef FNMA
#undef SQRT
#undef MAX
#undef MIN
#undef SCALE2
#undef SELECT
#undef VEC_SPLAT
#undef EXP
#undef LOG
#undef TANH
#undef ERF
#undef SIGMOID
#undef SILU
#undef SILU_SLOPE
#undef GELU
#undef GELU_SLOPE
#undef GELU_TANH
#undef GELU_TANH_SLOPE
#undef RSQRT
