/* Every kernel in plain C, short and naive, as kernels.h words it: the
 * oracle of all other rows, and what runs where there is no other.  Written
 * on its own; shares with the vector rows the elementwise rows' expressions
 * and the functions of math.inc.h, at width 1. */
#include "base/strict.h"
#include "kernels/level.h"

#include "base/rng.h"
#include "kernels/bf16.h"
#include "kernels/kernels.h"
#include "kernels/vec_c.h"
#include "kernels/math.inc.h"
#include "kernels/elementwise.inc.h"

/* --------------------------------------------------------------- lanes -- */

/* The 64 lanes of a reduction along a row. */
typedef struct plain_lanes {
    float lane[64];
} plain_lanes;

static plain_lanes plain_start(float value)
{
    plain_lanes lanes;
    for (int j = 0; j < 64; j++)
        lanes.lane[j] = value;
    return lanes;
}

static float plain_total(plain_lanes lanes)
{
    for (int half = 32; half; half /= 2)
        for (int j = 0; j < half; j++)
            lanes.lane[j] = lanes.lane[j] + lanes.lane[j + half];
    return lanes.lane[0];
}

static float plain_sum(const float *x, int64_t size)
{
    plain_lanes lanes = plain_start(0);
    for (int64_t i = 0; i < size; i++)
        lanes.lane[i % 64] = lanes.lane[i % 64] + x[i];
    return plain_total(lanes);
}

static float plain_dot(const float *x, const float *y, int64_t size)
{
    plain_lanes lanes = plain_start(0);
    for (int64_t i = 0; i < size; i++)
        lanes.lane[i % 64] = lh_fmaf(x[i], y[i], lanes.lane[i % 64]);
    return plain_total(lanes);
}

static float plain_most(const float *x, int64_t size)
{
    plain_lanes lanes = plain_start(-__builtin_inff());
    for (int64_t i = 0; i < size; i++)
        lanes.lane[i % 64] = MAX(lanes.lane[i % 64], x[i]);
    for (int half = 32; half; half /= 2)
        for (int j = 0; j < half; j++)
            lanes.lane[j] = MAX(lanes.lane[j], lanes.lane[j + half]);
    return lanes.lane[0];
}

/* ---------------------------------------------------------- whole rows -- */

LH_KERNEL(gemm)
{
    LH_KERNEL_ARGS(gemm);
    for (int64_t item = begin; item < end; item++) {
        lh_gemm_part p = lh_gemm_next(a->m, a->n, item, item + 1);
        for (int64_t i = p.i; i < p.i + p.m; i++)
            for (int64_t j = p.j; j < p.j + p.n; j++) {
                float *c = &a->c[i * a->c_row + j];
                float sum = a->accumulate ? *c : a->bias ? a->bias[j] : 0;
                for (int64_t l = 0; l < a->k; l++)
                    sum = lh_fmaf(a->a[i * a->a_row + l * a->a_col],
                                  a->b[l * a->b_row + j * a->b_col], sum);
                *c = sum;
            }
    }
}

LH_KERNEL(gemm_bf16)
{
    LH_KERNEL_ARGS(gemm_bf16);
    for (int64_t item = begin; item < end; item++) {
        lh_gemm_part p = lh_gemm_bf16_next(a->m, a->n, item, item + 1);
        for (int64_t i = p.i; i < p.i + p.m; i++)
            for (int64_t j = p.j; j < p.j + p.n; j++) {
                int64_t at = i * a->c_row + j;
                float *c = (float *)a->c + (a->narrow ? 0 : at);
                float sum = a->accumulate ? *c : a->bias ? a->bias[j] : 0;
                for (int64_t l = 0; l < a->k; l++) {
                    int64_t b = l * a->b_row + j * a->b_col;
                    sum = lh_fmaf(
                        lh_widen(a->a[i * a->a_row + l * a->a_col]),
                        lh_widen(a->wide ? lh_narrow(((const float *)a->b)[b])
                                         : ((const uint16_t *)a->b)[b]),
                        sum);
                }
                if (a->narrow)
                    ((uint16_t *)a->c)[at] = lh_narrow(sum);
                else
                    *c = sum;
            }
    }
}

LH_KERNEL(widen)
{
    LH_KERNEL_ARGS(widen);
    for (int64_t i = begin; i < end; i++)
        a->y[i] = lh_widen(a->x[i]);
}

LH_KERNEL(narrow)
{
    LH_KERNEL_ARGS(narrow);
    for (int64_t i = begin; i < end; i++)
        a->y[i] = lh_narrow(a->x[i]);
}

LH_KERNEL(sum_rows)
{
    LH_KERNEL_ARGS(sum_rows);
    for (int64_t j = begin; j < end; j++)
        for (int64_t i = 0; i < a->rows; i++)
            a->sum[j] = a->sum[j] + a->x[i * a->columns + j];
}

LH_KERNEL(embedding_forward)
{
    LH_KERNEL_ARGS(embedding);
    for (int64_t i = begin; i < end; i++)
        for (int64_t j = 0; j < a->columns; j++) {
            float *y = &a->y[i * a->columns + j];
            *y = a->table[a->ids[i] * a->columns + j];
            if (a->places)
                *y = *y + a->places[a->place_ids[i] * a->columns + j];
        }
}

LH_KERNEL(embedding_backward)
{
    LH_KERNEL_ARGS(embedding);
    for (int64_t i = 0; i < a->rows; i++)
        for (int64_t j = begin; j < end; j++) {
            float *sum = &a->dtable[a->ids[i] * a->columns + j];
            *sum = *sum + a->dy[i * a->columns + j];
        }
}

/* --------------------------------------------------------------- norms -- */

LH_KERNEL(rms_norm_forward)
{
    LH_KERNEL_ARGS(norm);
    for (int64_t i = begin; i < end; i++) {
        const float *x = a->x + i * a->columns;
        float *y = a->y + i * a->columns;
        float q = plain_dot(x, x, a->columns);
        float r = RSQRT(q / (float)a->columns + a->eps);
        a->scale[i] = r;
        for (int64_t j = 0; j < a->columns; j++)
            y[j] = a->gain ? x[j] * r * a->gain[j] : x[j] * r;
    }
}

LH_KERNEL(rms_norm_backward)
{
    LH_KERNEL_ARGS(norm);
    for (int64_t i = begin; i < end; i++) {
        const float *x = a->x + i * a->columns;
        const float *dy = a->dy + i * a->columns;
        float *dx = a->dx + i * a->columns, r = a->scale[i];
        plain_lanes lanes = plain_start(0);
        for (int64_t j = 0; j < a->columns; j++) {
            float h = a->gain ? dy[j] * a->gain[j] : dy[j];
            lanes.lane[j % 64] = lh_fmaf(h, x[j], lanes.lane[j % 64]);
        }
        float e = plain_total(lanes) * r * r / (float)a->columns;
        for (int64_t j = 0; j < a->columns; j++) {
            float h = a->gain ? dy[j] * a->gain[j] : dy[j];
            dx[j] = lh_fmaf(FNMA(x[j], e, h), r, a->first ? 0 : dx[j]);
        }
    }
}

LH_KERNEL(rms_norm_gain)
{
    LH_KERNEL_ARGS(norm);
    for (int64_t j = begin; j < end && a->dgain; j++)
        for (int64_t i = 0; i < a->rows; i++) {
            int64_t at = i * a->columns + j;
            a->dgain[j] = lh_fmaf(a->dy[at], a->x[at] * a->scale[i],
                                  a->dgain[j]);
        }
}

LH_KERNEL(layer_norm_forward)
{
    LH_KERNEL_ARGS(norm);
    for (int64_t i = begin; i < end; i++) {
        const float *x = a->x + i * a->columns;
        float *y = a->y + i * a->columns;
        float m = plain_sum(x, a->columns) / (float)a->columns;
        plain_lanes lanes = plain_start(0);
        for (int64_t j = 0; j < a->columns; j++) {
            float c = x[j] - m;
            lanes.lane[j % 64] = lh_fmaf(c, c, lanes.lane[j % 64]);
        }
        float r = RSQRT(plain_total(lanes) / (float)a->columns + a->eps);
        a->mean[i] = m;
        a->scale[i] = r;
        for (int64_t j = 0; j < a->columns; j++) {
            float n = (x[j] - m) * r;
            if (a->gain && a->bias)
                y[j] = lh_fmaf(n, a->gain[j], a->bias[j]);
            else if (a->gain)
                y[j] = n * a->gain[j];
            else
                y[j] = a->bias ? n + a->bias[j] : n;
        }
    }
}

LH_KERNEL(layer_norm_backward)
{
    LH_KERNEL_ARGS(norm);
    for (int64_t i = begin; i < end; i++) {
        const float *x = a->x + i * a->columns;
        const float *dy = a->dy + i * a->columns;
        float *dx = a->dx + i * a->columns, r = a->scale[i];
        plain_lanes sums = plain_start(0), dots = plain_start(0);
        for (int64_t j = 0; j < a->columns; j++) {
            float h = a->gain ? dy[j] * a->gain[j] : dy[j];
            float n = (x[j] - a->mean[i]) * r;
            sums.lane[j % 64] = sums.lane[j % 64] + h;
            dots.lane[j % 64] = lh_fmaf(h, n, dots.lane[j % 64]);
        }
        float s = plain_total(sums) / (float)a->columns;
        float d = plain_total(dots) / (float)a->columns;
        for (int64_t j = 0; j < a->columns; j++) {
            float h = a->gain ? dy[j] * a->gain[j] : dy[j];
            float n = (x[j] - a->mean[i]) * r;
            dx[j] = lh_fmaf(FNMA(n, d, h - s), r, a->first ? 0 : dx[j]);
        }
    }
}

LH_KERNEL(layer_norm_gain)
{
    LH_KERNEL_ARGS(norm);
    for (int64_t j = begin; j < end; j++) {
        for (int64_t i = 0; i < a->rows && a->dgain; i++) {
            int64_t at = i * a->columns + j;
            float n = (a->x[at] - a->mean[i]) * a->scale[i];
            a->dgain[j] = lh_fmaf(a->dy[at], n, a->dgain[j]);
        }
        for (int64_t i = 0; i < a->rows && a->dbias; i++)
            a->dbias[j] = a->dbias[j] + a->dy[i * a->columns + j];
    }
}

/* -------------------------------------------------------------- rotary -- */

LH_KERNEL(rotary_forward)
{
    LH_KERNEL_ARGS(rotary);
    int64_t half = a->head_size / 2;
    for (int64_t i = begin; i < end; i++)
        for (int64_t h = 0; h < a->heads; h++)
            for (int64_t d = 0; d < half; d++) {
                int64_t at = (i * a->heads + h) * a->head_size + d;
                float c = a->cosine[a->positions[i] * half + d];
                float s = a->sine[a->positions[i] * half + d];
                float x0 = a->x[at], x1 = a->x[at + half];
                a->y[at] = FNMA(x1, s, x0 * c);
                a->y[at + half] = FMA(x0, s, x1 * c);
            }
}

LH_KERNEL(rotary_backward)
{
    LH_KERNEL_ARGS(rotary);
    int64_t half = a->head_size / 2;
    for (int64_t i = begin; i < end; i++)
        for (int64_t h = 0; h < a->heads; h++)
            for (int64_t d = 0; d < half; d++) {
                int64_t at = (i * a->heads + h) * a->head_size + d;
                float c = a->cosine[a->positions[i] * half + d];
                float s = a->sine[a->positions[i] * half + d];
                float d0 = a->dy[at], d1 = a->dy[at + half];
                if (a->first)
                    a->dx[at] = a->dx[at + half] = 0;
                a->dx[at] += FMA(d1, s, d0 * c);
                a->dx[at + half] += FNMA(d0, s, d1 * c);
            }
}

/* ----------------------------------------------------------- attention -- */

/* e[j] = exp(s[j] - m) for the keys of one query, and m. */
static float plain_scores(const lh_attention_args *a, const lh_span *span,
                          int64_t query, int64_t head, int64_t keys,
                          float *e)
{
    int64_t group = head / (a->heads / a->kv_heads);
    const float *q = a->q + (span->q_row + query) * a->q_row +
                     head * a->head_size;
    const float *k = a->k + span->k_row * a->k_row + group * a->head_size;
    for (int64_t j = 0; j < keys; j++) {
        float sum = 0;
        for (int64_t d = 0; d < a->head_size; d++)
            sum = lh_fmaf(q[d], k[j * a->k_row + d], sum);
        e[j] = sum * a->scale;
    }
    return plain_most(e, keys);
}

LH_KERNEL(attention_forward)
{
    const lh_attention_args *a = args;
    for (int64_t item = begin; item < end; item++) {
        const lh_span *span = &a->spans[item / a->heads];
        int64_t head = item % a->heads, size = a->head_size;
        int64_t group = head / (a->heads / a->kv_heads);
        const float *v = a->v + span->k_row * a->k_row + group * size;
        for (int64_t i = 0; i < span->count; i++) {
            int64_t keys = span->past + i + 1, row = span->q_row + i;
            float *e = scratch, *y = a->y + (row * a->heads + head) * size;
            float m = plain_scores(a, span, i, head, keys, e);
            for (int64_t j = 0; j < keys; j++)
                e[j] = EXP(e[j] - m);
            float r = 1.0f / plain_sum(e, keys);
            for (int64_t d = 0; d < size; d++) {
                float sum = 0;
                for (int64_t j = 0; j < keys; j++)
                    sum = lh_fmaf(e[j], v[j * a->k_row + d], sum);
                y[d] = sum * r;
            }
            a->stats[(row * a->heads + head) * 2] = m;
            a->stats[(row * a->heads + head) * 2 + 1] = r;
        }
    }
}

/* Adds one query's share to dq, dk, dv; p and t are scratch of [keys]. */
static void plain_attention_query(const lh_attention_args *a,
                                  const lh_span *span, int64_t i,
                                  int64_t head, float *p, float *t)
{
    int64_t size = a->head_size, keys = i + 1, row = span->q_row + i;
    int64_t group = head / (a->heads / a->kv_heads);
    int64_t at_q = row * a->q_row + head * size;
    int64_t at_k = span->k_row * a->k_row + group * size;
    int64_t at_y = (row * a->heads + head) * size;
    const float *q = a->q + at_q, *y = a->y + at_y, *dy = a->dy + at_y;
    float m = a->stats[(row * a->heads + head) * 2];
    float r = a->stats[(row * a->heads + head) * 2 + 1];
    float total = plain_dot(dy, y, size);
    plain_scores(a, span, i, head, keys, p);
    for (int64_t j = 0; j < keys; j++) {
        const float *v = a->v + at_k + j * a->k_row;
        float g = 0;
        for (int64_t d = 0; d < size; d++)
            g = lh_fmaf(dy[d], v[d], g);
        p[j] = EXP(p[j] - m) * r;
        t[j] = p[j] * (g - total) * a->scale;
    }
    for (int64_t d = 0; d < size && a->dq; d++) {
        float sum = 0;
        for (int64_t j = 0; j < keys; j++)
            sum = lh_fmaf(t[j], a->k[at_k + j * a->k_row + d], sum);
        a->dq[at_q + d] = a->dq[at_q + d] + sum;
    }
    for (int64_t j = 0; j < keys; j++)
        for (int64_t d = 0; d < size; d++) {
            int64_t at = at_k + j * a->k_row + d;
            if (a->dk)
                a->dk[at] = lh_fmaf(t[j], q[d], a->dk[at]);
            if (a->dv)
                a->dv[at] = lh_fmaf(p[j], dy[d], a->dv[at]);
        }
}

static void plain_clear(float *x, int64_t rows, int64_t row, int64_t n)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < n; j++)
            x[i * row + j] = 0;
}

LH_KERNEL(attention_backward)
{
    const lh_attention_args *a = args;
    int64_t grouped = a->heads / a->kv_heads, size = a->head_size;
    for (int64_t item = begin; item < end; item++) {
        const lh_span *span = &a->spans[item / a->kv_heads];
        int64_t kv_head = item % a->kv_heads, first = kv_head * grouped;
        int64_t at_k = span->k_row * a->k_row + kv_head * size;
        if (a->dq && a->first_q)
            plain_clear(a->dq + span->q_row * a->q_row + first * size,
                        span->count, a->q_row, grouped * size);
        if (a->dk && a->first_k)
            plain_clear(a->dk + at_k, span->count, a->k_row, size);
        if (a->dv && a->first_v)
            plain_clear(a->dv + at_k, span->count, a->k_row, size);
        for (int64_t head = first; head < first + grouped; head++)
            for (int64_t i = 0; i < span->count; i++)
                plain_attention_query(a, span, i, head, scratch,
                                      scratch + span->count);
    }
}

/* ----------------------------------------------- softmax, cross-entropy -- */

LH_KERNEL(softmax_forward)
{
    LH_KERNEL_ARGS(softmax);
    for (int64_t i = begin; i < end; i++) {
        const float *x = a->x + i * a->columns;
        float *y = a->y + i * a->columns, m = plain_most(x, a->columns);
        for (int64_t j = 0; j < a->columns; j++)
            y[j] = EXP(x[j] - m);
        float r = 1.0f / plain_sum(y, a->columns);
        for (int64_t j = 0; j < a->columns; j++)
            y[j] = y[j] * r;
    }
}

LH_KERNEL(softmax_backward)
{
    LH_KERNEL_ARGS(softmax);
    for (int64_t i = begin; i < end; i++) {
        const float *y = a->y + i * a->columns;
        const float *dy = a->dy + i * a->columns;
        float *dx = a->dx + i * a->columns;
        float d = plain_dot(dy, y, a->columns);
        for (int64_t j = 0; j < a->columns; j++)
            dx[j] = lh_fmaf(y[j], dy[j] - d, dx[j]);
    }
}

LH_KERNEL(cross_entropy_forward)
{
    LH_KERNEL_ARGS(cross_entropy);
    for (int64_t i = begin; i < end; i++) {
        const float *x = a->x + i * a->vocabulary;
        a->losses[i] = a->stats[2 * i] = a->stats[2 * i + 1] = 0;
        if (a->targets[i] < 0)
            continue;
        float m = plain_most(x, a->vocabulary);
        plain_lanes lanes = plain_start(0);
        for (int64_t j = 0; j < a->vocabulary; j++) {
            float e = EXP(x[j] - m);
            lanes.lane[j % 64] = lanes.lane[j % 64] + e;
            if (a->exps)
                a->exps[i * a->vocabulary + j] = e;
        }
        float z = plain_total(lanes);
        a->losses[i] = LOG(z) - (x[a->targets[i]] - m);
        a->stats[2 * i] = m;
        a->stats[2 * i + 1] = 1.0f / z;
    }
}

LH_KERNEL(cross_entropy_backward)
{
    LH_KERNEL_ARGS(cross_entropy);
    for (int64_t i = begin; i < end; i++)
        for (int64_t j = 0; j < a->vocabulary; j++) {
            int64_t at = i * a->vocabulary + j;
            float e = a->exps ? a->exps[at] : EXP(a->x[at] - a->stats[2 * i]);
            float slope = e * a->stats[2 * i + 1] -
                          (j == a->targets[i] ? 1.0f : 0.0f);
            float before = a->first ? 0 : a->dx[at];
            a->dx[at] = a->targets[i] < 0 ? before
                : lh_fmaf(a->grads[i], slope, before);
        }
}

/* ------------------------------------------------------------ the rest -- */

/* Whether element j of row i is kept. */
static bool plain_kept(const lh_dropout_args *a, int64_t i, int64_t j)
{
    uint64_t row = (uint64_t)(a->row0 + i);
    const uint32_t key[2] = { a->key0, a->key1 };
    const uint32_t counter[4] = { (uint32_t)(j / 4), (uint32_t)row,
                                  (uint32_t)(row >> 32), 0 };
    uint32_t word[4];
    lh_philox(key, counter, word);
    return word[j % 4] >= a->threshold;
}

LH_KERNEL(dropout_forward)
{
    LH_KERNEL_ARGS(dropout);
    for (int64_t i = begin; i < end; i++)
        for (int64_t j = 0; j < a->columns; j++) {
            int64_t at = i * a->columns + j;
            a->y[at] = plain_kept(a, i, j) ? a->x[at] * a->scale : 0.0f;
        }
}

LH_KERNEL(dropout_backward)
{
    LH_KERNEL_ARGS(dropout);
    for (int64_t i = begin; i < end; i++)
        for (int64_t j = 0; j < a->columns; j++) {
            int64_t at = i * a->columns + j;
            if (a->first)
                a->dx[at] = 0;
            if (plain_kept(a, i, j))
                a->dx[at] = lh_fmaf(a->dy[at], a->scale, a->dx[at]);
        }
}

LH_KERNEL(sum)
{
    LH_KERNEL_ARGS(sum);
    if (begin < end)
        *a->sum = plain_sum(a->x, a->size);
}

LH_KERNEL(square_sums)
{
    LH_KERNEL_ARGS(square_sums);
    for (int64_t c = begin; c < end; c++) {
        const float *x = a->x + c * LH_SQUARES_CHUNK;
        int64_t size = lh_min64(LH_SQUARES_CHUNK,
                                a->size - c * LH_SQUARES_CHUNK);
        a->sums[c] = plain_dot(x, x, size);
    }
}

LH_KERNEL(accumulate)
{
    LH_KERNEL_ARGS(accumulate);
    for (int64_t i = begin; i < end; i++)
        a->y[i] = a->y[i] + a->x[i];
}

LH_KERNEL(fold)
{
    LH_KERNEL_ARGS(fold);
    for (int64_t i = begin; i < end; i++) {
        a->y[i] = a->y[i] + a->x[i];
        a->x[i] = 0;
    }
}

LH_KERNEL(adamw)
{
    LH_KERNEL_ARGS(adamw);
    for (int64_t i = begin; i < end; i++) {
        float g = a->gradient[i] * a->gradient_scale, p = a->parameter[i];
        float m = FMA(a->one_minus_beta1, g - a->m[i], a->m[i]);
        float v = FMA(a->one_minus_beta2, g * g - a->v[i], a->v[i]);
        if (a->decay != 0)
            p = FNMA(a->decay, p, p);
        float root = SQRT(v) * a->inverse_root + a->eps;
        p = FNMA(a->step_size, m / root, p);
        a->parameter[i] = p;
        a->m[i] = m;
        a->v[i] = v;
        a->gradient[i] = 0;
    }
}

LH_KERNEL(lerp)
{
    LH_KERNEL_ARGS(lerp);
    for (int64_t i = begin; i < end; i++)
        a->y[i] = FMA(a->s, a->x[i] - a->y[i], a->y[i]);
}

LH_KERNEL(muon)
{
    LH_KERNEL_ARGS(muon);
    for (int64_t i = begin; i < end; i++) {
        float u = a->direction[i], p = a->parameter[i];
        if (a->decay != 0 && u * p > 0)
            p = FNMA(a->decay, p, p);
        a->parameter[i] = FNMA(a->rate, u, p);
        a->direction[i] = 0;
    }
}

LH_KERNEL(fma_limit)
{
    LH_KERNEL_ARGS(fma_limit);
    float x[LH_FMA_CHAINS], sum = 0;
    if (begin >= end)
        return;
    for (int j = 0; j < LH_FMA_CHAINS; j++)
        x[j] = (float)j;
    for (int64_t i = 0; i < a->rounds; i++)
        for (int j = 0; j < LH_FMA_CHAINS; j++)
            x[j] = lh_fmaf(x[j], a->a, a->b);
    for (int j = 0; j < LH_FMA_CHAINS; j++)
        sum += x[j];
    *a->result = sum;
    *a->flops = 2.0 * LH_FMA_CHAINS * (double)a->rounds;
}

/* ----------------------------------------------------------- the table -- */

LH_INTERNAL void lh_rows_c(lh_kernel_fn *fn[LH_KERNEL_COUNT])
{
#define KERNEL(name, doc) fn[LH_KERNEL_##name] = name##_c;
#include "kernels/kernels.def"
}

#include "kernels/vec_end.h"
