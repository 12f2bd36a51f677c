/* Every kernel on every instruction set of this CPU against plain C.
 *
 * Random shapes with ragged edges, values that are mostly ordinary and
 * sometimes extreme (denormals, infinities, NaN, both zeros), pointers off
 * every vector boundary, items split at random places and done in random
 * order, scratch full of rubbish, canaries around every buffer.  The bytes
 * must be equal; NaN equals NaN.  A kernel without a generator does not
 * compile.  LH_KERNEL_TRIALS multiplies the number of trials. */
#include "test.h"

#include "base/context.h"
#include "base/fpenv.h"
#include "kernels/bf16.h"
#include "kernels/cpu.h"
#include "trial.h"

/* --------------------------------------------------------- generators -- */

static void make_gemm(trial *t)
{
    lh_gemm_args *g = &t->args.gemm;
    int64_t most = chance(t, 10) ? 150 : 40;
    g->m = size_of(t, most);
    g->n = size_of(t, most);
    g->k = chance(t, 5) ? 0 : chance(t, 5) ? 200 + below(t, 400)
                                           : size_of(t, most);
    if (g->k > 150)
        g->m = size_of(t, 20);
    int64_t pad[3] = { 0, 0, 0 };
    for (int i = 0; i < 3; i++)
        if (chance(t, 30))
            pad[i] = below(t, 20);
    /* Panels and pages: columns enough for two panels of tiles, rows that
     * stand whole pages apart and are packed. */
    if (chance(t, 3))
        g->n = LH_GEMM_PANEL + size_of(t, LH_GEMM_PANEL);
    bool pages = chance(t, 3);
    if (pages) {
        g->m = size_of(t, 120);
        g->k = 64 + size_of(t, 40);
    }
    /* Several blocks in each direction, packed and in place. */
    if (chance(t, 1)) {
        g->m = chance(t, 20) ? LH_GEMM_TALL + 1 + below(t, 20)
                             : LH_GEMM_FLAT + 1 + below(t, 100);
        g->n = 1 + below(t, LH_GEMM_PANEL + 100);
        g->k = 1000 + below(t, 60);
        pages = chance(t, 50);
    }
    /* A few rows by some vectors, one or more tiles wide. */
    bool few = chance(t, 8);
    if (few) {
        g->m = 5 + below(t, 12);
        g->n = chance(t, 50) ? 32 + 32 * below(t, 6) : 32 + below(t, 140);
        g->k = 16 + 8 * below(t, chance(t, 10) ? 65 : 6);
    }
    /* A few l: a weight's gradient of a short document. */
    bool flat = !few && chance(t, 8);
    if (flat) {
        g->m = 8 + below(t, LH_GEMM_FLAT - 4);
        g->n = 16 + 16 * below(t, 5);
        g->k = below(t, 19);
    }
    g->c_row = g->n + pad[0];
    g->a_row = g->b_row = g->a_col = g->b_col = 1;
    if (few || (!flat && chance(t, 50)))
        g->a_row = pages ? 1024 : g->k + pad[1];
    else
        g->a_col = pages ? 1024 : g->m + pad[1];
    if (flat || chance(t, 50))
        g->b_row = g->n + pad[2];
    else
        g->b_col = g->k + pad[2];
    g->a = floats(t, (g->m - 1) * g->a_row +
                     (g->k ? (g->k - 1) * g->a_col + 1 : 0));
    g->b = floats(t, (g->n - 1) * g->b_col +
                     (g->k ? (g->k - 1) * g->b_row + 1 : 0));
    g->c = floats(t, (g->m - 1) * g->c_row + g->n);
    g->accumulate = chance(t, 40);
    g->bias = g->accumulate ? NULL : maybe(t, g->n);
    t->items = lh_gemm_items(g->m, g->n);
    t->scratch = LH_GEMM_SCRATCH;
}

/* `count` numbers in bf16 that are no denormals and make none: of few digits
 * and sizes; where `whole`, small integers. */
static uint16_t *halves(trial *t, int64_t count, bool whole)
{
    float *x = floats(t, (count + 1) / 2);
    buffer *b = &t->buffers[t->buffer_count - 1];
    uint16_t *half = (uint16_t *)(void *)(b->before + b->front);
    for (size_t i = 0; i < 2 * b->count; i++)
        half[i] = whole ? lh_narrow((float)(below(t, 17) - 8))
                        : (uint16_t)(below(t, 2) << 15 |
                                     (120 + below(t, 9)) << 7 | below(t, 128));
    return (uint16_t *)(void *)x;
}

/* The same as floats, with digits that rounding takes, or a tie. */
static float *unrounded(trial *t, int64_t count, bool whole)
{
    float *x = floats(t, count);
    buffer *b = &t->buffers[t->buffer_count - 1];
    for (size_t i = 0; i < b->count; i++)
        b->before[b->front + i] = whole
            ? lh_bits_of((float)(below(t, 17) - 8))
            : (uint32_t)(below(t, 2) << 31 | (120 + below(t, 9)) << 23 |
                         below(t, 128) << 16 |
                         (chance(t, 20) ? 0x8000 : below(t, 1 << 16)));
    return x;
}

/* In a third of the trials all sums are exact, so that any order gives the
 * same bytes. */
static void make_gemm_bf16(trial *t)
{
    lh_gemm_bf16_args *g = &t->args.gemm_bf16;
    bool whole = chance(t, 33);
    int64_t most = chance(t, 10) ? 150 : 40, pad[3] = { 0, 0, 0 };
    t->extreme = 0;
    t->inexact = !whole;
    g->m = chance(t, 5) ? LH_GEMM_BF16_HIGH + size_of(t, 40)
                        : size_of(t, most);
    g->n = chance(t, 5) ? 256 + size_of(t, 90) : size_of(t, most);
    g->k = chance(t, 5) ? 0 : chance(t, 10) ? 300 + below(t, 600)
                                            : size_of(t, most);
    for (int i = 0; i < 3; i++)
        if (chance(t, 30))
            pad[i] = below(t, 20);
    g->c_row = g->n + pad[0];
    g->a_row = g->b_row = g->a_col = g->b_col = 1;
    if (chance(t, 50))
        g->a_row = g->k + pad[1];
    else
        g->a_col = g->m + pad[1];
    if (chance(t, 50))
        g->b_row = g->n + pad[2];
    else
        g->b_col = g->k + pad[2];
    g->a = halves(t, (g->m - 1) * g->a_row +
                     (g->k ? (g->k - 1) * g->a_col + 1 : 0), whole);
    g->wide = chance(t, 50);
    int64_t size = (g->n - 1) * g->b_col +
                   (g->k ? (g->k - 1) * g->b_row + 1 : 0);
    g->b = g->wide ? (void *)unrounded(t, size, whole)
                   : halves(t, size, whole);
    g->narrow = chance(t, 40);
    g->accumulate = !g->narrow && chance(t, 50);
    g->past = !g->narrow && chance(t, 20);
    if (g->past) {
        g->accumulate = chance(t, 10);
        g->c_row = (g->c_row + 15) / 16 * 16 + chance(t, 10);
    }
    g->bias = g->accumulate || whole ? NULL : maybe(t, g->n);
    int64_t c = (g->m - 1) * g->c_row + g->n;
    if (g->narrow) {
        g->c = halves(t, c, true);
    } else {
        g->c = floats(t, g->past ? c + 15 : c);
        if (g->past)                   /* whole lines of the cache         */
            g->c = (void *)(((uintptr_t)g->c + 63) / 64 * 64);
        buffer *b = &t->buffers[t->buffer_count - 1];
        for (size_t i = 0; whole && i < b->count; i++)
            b->before[b->front + i] =
                (uint32_t)lh_narrow((float)(below(t, 17) - 8)) << 16;
    }
    t->items = lh_gemm_bf16_items(g->m, g->n);
    t->scratch = LH_GEMM_SCRATCH;
}

static void make_widen(trial *t)
{
    t->items = size_of(t, 400);
    t->args.widen.x = (uint16_t *)(void *)floats(t, (t->items + 1) / 2);
    t->args.widen.y = floats(t, t->items);
}

static void make_narrow(trial *t)
{
    t->items = size_of(t, 400);
    t->args.narrow.x = floats(t, t->items);
    t->args.narrow.y = (uint16_t *)(void *)floats(t, (t->items + 1) / 2);
}

static void make_sum_rows(trial *t)
{
    lh_sum_rows_args *a = &t->args.sum_rows;
    a->rows = size_of(t, 40);
    t->items = a->columns = size_of(t, 200);
    a->x = floats(t, a->rows * a->columns);
    a->sum = floats(t, a->columns);
}

static void make_embedding(trial *t)
{
    lh_embedding_args *a = &t->args.embedding;
    int64_t vocabulary = size_of(t, 30);
    t->items = a->rows = size_of(t, 40);
    a->columns = size_of(t, 100);
    for (int64_t i = 0; i < a->rows; i++)
        t->ids[i] = (int32_t)below(t, vocabulary);
    a->ids = a->place_ids = t->ids;
    a->table = floats(t, vocabulary * a->columns);
    a->places = maybe(t, vocabulary * a->columns);
    a->y = floats(t, a->rows * a->columns);
    a->dy = floats(t, a->rows * a->columns);
    a->dtable = floats(t, vocabulary * a->columns);
}

static void make_embedding_backward(trial *t)
{
    make_embedding(t);
    t->items = t->args.embedding.columns;
}

static void make_norm(trial *t)
{
    lh_norm_args *a = &t->args.norm;
    t->items = a->rows = size_of(t, 12);
    bool far = chance(t, 30);          /* whole lines, past the caches     */
    a->columns = far ? 64 * (1 + below(t, 4)) : size_of(t, 300);
    a->eps = 1e-5f;
    a->x = floats(t, a->rows * a->columns);
    a->gain = maybe(t, a->columns);
    a->bias = maybe(t, a->columns);
    a->y = floats(t, a->rows * a->columns);
    a->mean = floats(t, a->rows);
    a->scale = floats(t, a->rows);
    buffer *scale = &t->buffers[t->buffer_count - 1];
    if (chance(t, 30))                 /* times a number below 0: -0       */
        scale->before[scale->front] = 0;
    a->dy = floats(t, a->rows * a->columns);
    a->dx = floats_off(t, a->rows * a->columns,
                       far ? 0 : (size_t)below(t, 16));
    a->first = far || chance(t, 30);
    a->past = far || chance(t, 50);
    a->dgain = maybe(t, a->columns);
    a->dbias = maybe(t, a->columns);
}

static void make_norm_gain(trial *t)
{
    make_norm(t);
    t->items = t->args.norm.columns;
}

static void make_rms_norm_gain(trial *t)
{
    make_norm_gain(t);
    if (!t->args.norm.dgain)
        t->args.norm.dgain = floats(t, t->args.norm.columns);
}

static void make_rotary(trial *t)
{
    lh_rotary_args *a = &t->args.rotary;
    int64_t positions = size_of(t, 20);
    t->items = a->rows = size_of(t, 20);
    a->heads = 1 + below(t, 5);
    a->head_size = 2 * size_of(t, 40);
    for (int64_t i = 0; i < a->rows; i++)
        t->ids[i] = (int32_t)below(t, positions);
    a->positions = t->ids;
    a->cosine = floats(t, positions * a->head_size / 2);
    a->sine = floats(t, positions * a->head_size / 2);
    a->x = floats(t, a->rows * a->heads * a->head_size);
    a->y = floats(t, a->rows * a->heads * a->head_size);
    a->dy = floats(t, a->rows * a->heads * a->head_size);
    a->dx = floats(t, a->rows * a->heads * a->head_size);
    a->first = chance(t, 30);
}

/* Spans one behind the other; with a past only where `forward`. */
static void make_attention(trial *t, bool forward)
{
    lh_attention_args *a = &t->args.attention;
    int64_t rows = 0, key_rows = 0, longest = 0;
    a->kv_heads = 1 + below(t, 6);
    a->heads = a->kv_heads * (chance(t, 50) ? 1 : 1 + below(t, 3));
    a->head_size = chance(t, 50) ? size_of(t, 12) : size_of(t, 70);
    if (chance(t, 50))
        a->head_size = chance(t, 20) ? 32 : (a->head_size + 3) / 4 * 4;
    a->scale = 0.25f;
    a->span_count = 1 + below(t, 3);
    for (int64_t i = 0; i < a->span_count; i++) {
        int64_t count = size_of(t, chance(t, 3) ? 220 :
                                   chance(t, 20) ? 90 : 14);
        if (a->head_size == 32)        /* the most that is "short"         */
            count = 30 + below(t, 3);
        int64_t past = forward && chance(t, 50) ? below(t, 70) : 0;
        t->spans[i] = (lh_span){ rows, count, key_rows, past };
        rows += count;
        key_rows += past + count;
        longest = lh_max64(longest, past + count);
    }
    a->spans = t->spans;
    a->q_row = a->heads * a->head_size + (chance(t, 30) ? below(t, 9) : 0);
    a->k_row = a->kv_heads * a->head_size +
               (chance(t, 30) ? below(t, 9) : 0);
    int64_t q = (rows - 1) * a->q_row + a->heads * a->head_size;
    int64_t k = (key_rows - 1) * a->k_row + a->kv_heads * a->head_size;
    int64_t y = rows * a->heads * a->head_size;
    a->q = floats(t, q);
    a->k = floats(t, k);
    a->v = floats(t, k);
    a->y = floats(t, y);
    a->stats = floats(t, rows * a->heads * 2);
    a->dy = floats(t, y);
    a->dq = maybe(t, q);
    a->dk = maybe(t, k);
    a->dv = maybe(t, k);
    a->first_q = chance(t, 30);
    a->first_k = chance(t, 30);
    a->first_v = chance(t, 30);
    t->items = a->span_count * (forward ? a->heads : a->kv_heads);
    t->scratch = lh_attention_scratch(longest, a->head_size);
}

static void make_attention_forward(trial *t)
{
    make_attention(t, true);
}

static void make_attention_backward(trial *t)
{
    make_attention(t, false);
}

static void make_softmax(trial *t)
{
    lh_softmax_args *a = &t->args.softmax;
    t->items = a->rows = size_of(t, 12);
    a->columns = size_of(t, 300);
    a->x = floats(t, a->rows * a->columns);
    a->y = floats(t, a->rows * a->columns);
    a->dy = floats(t, a->rows * a->columns);
    a->dx = floats(t, a->rows * a->columns);
}

static void make_cross_entropy(trial *t)
{
    lh_cross_entropy_args *a = &t->args.cross_entropy;
    t->items = a->rows = size_of(t, 12);
    a->vocabulary = size_of(t, 300);
    for (int64_t i = 0; i < a->rows; i++)
        t->ids[i] = (int32_t)below(t, a->vocabulary + 1) - 1;
    a->targets = t->ids;
    a->x = floats(t, a->rows * a->vocabulary);
    a->losses = floats(t, a->rows);
    a->stats = floats(t, a->rows * 2);
    a->grads = floats(t, a->rows);
    a->first = chance(t, 50);
    a->dx = a->first && chance(t, 50) ? (float *)(uintptr_t)a->x
                                      : floats(t, a->rows * a->vocabulary);
    a->exps = chance(t, 50) ? floats(t, a->rows * a->vocabulary) : NULL;
}

static void make_dropout(trial *t)
{
    lh_dropout_args *a = &t->args.dropout;
    t->items = a->rows = size_of(t, 12);
    a->columns = size_of(t, 300);
    a->key0 = (uint32_t)test_random(&t->random);
    a->key1 = (uint32_t)test_random(&t->random);
    a->row0 = chance(t, 50) ? below(t, 100) : ((int64_t)1 << 32) - 3;
    a->threshold = (uint32_t)test_random(&t->random);
    a->scale = 1.25f;
    a->x = floats(t, a->rows * a->columns);
    a->y = floats(t, a->rows * a->columns);
    a->dy = floats(t, a->rows * a->columns);
    a->dx = floats(t, a->rows * a->columns);
    a->first = chance(t, 30);
}

static void make_sum(trial *t)
{
    t->args.sum.size = size_of(t, 1000);
    t->args.sum.x = floats(t, t->args.sum.size);
    t->args.sum.sum = floats(t, 1);
    t->items = 1;
}

static void make_square_sums(trial *t)
{
    lh_square_sums_args *a = &t->args.square_sums;
    a->size = chance(t, 50) ? size_of(t, 300) : 4000 + below(t, 9000);
    t->items = (a->size + LH_SQUARES_CHUNK - 1) / LH_SQUARES_CHUNK;
    a->x = floats(t, a->size);
    a->sums = floats(t, t->items);
}

static void make_accumulate(trial *t)
{
    t->items = size_of(t, 400);
    t->args.accumulate.x = floats(t, t->items);
    t->args.accumulate.y = floats(t, t->items);
}

static void make_fold(trial *t)
{
    t->items = size_of(t, 400);
    t->args.fold.x = floats(t, t->items);
    t->args.fold.y = floats(t, t->items);
}

static void make_adamw(trial *t)
{
    static const float steps[4] = { 2e-3f, 0.5f, 0x1p19f, 0x1p90f };
    lh_adamw_args *a = &t->args.adamw;
    t->items = a->size = size_of(t, 400);
    int low = chance(t, 50) ? 0 : (int)below(t, 101);
    a->parameter = lowered(t, a->size, low / 2, true);
    a->gradient = lowered(t, a->size, low, true);
    a->m = lowered(t, a->size, low, true);
    a->v = lowered(t, a->size, low, false);
    a->gradient_scale = 0.7f;
    a->one_minus_beta1 = 0.1f;
    a->one_minus_beta2 = 0.001f;
    a->decay = chance(t, 50) ? 0.0f : 1e-3f;
    a->step_size = steps[low ? below(t, 4) : 0];
    a->inverse_root = low && chance(t, 20) ? 0x1p40f : 1.3f;
    a->eps = low && chance(t, 50) ? 0.7f : chance(t, 5) ? 1e-38f : 1e-8f;
}

static void make_lerp(trial *t)
{
    t->items = size_of(t, 400);
    t->args.lerp.x = floats(t, t->items);
    t->args.lerp.y = floats(t, t->items);
    t->args.lerp.s = 0.05f;
}

static void make_muon(trial *t)
{
    lh_muon_args *a = &t->args.muon;
    t->items = size_of(t, 400);
    a->parameter = floats(t, t->items);
    a->direction = floats(t, t->items);
    a->rate = 0.02f;
    a->decay = chance(t, 30) ? 0.0f : 1e-3f;
}

static void make_map(trial *t)
{
    lh_map_args *a = &t->args.map;
    t->items = size_of(t, 200);
    a->a = floats(t, t->items);
    a->b = chance(t, 20) ? a->a : floats(t, t->items);
    a->s = number(t);
    a->y = floats(t, t->items);
}

static void make_map_backward(trial *t)
{
    lh_map_args *a = &t->args.map;
    make_map(t);
    a->dy = floats(t, t->items);
    a->da = maybe(t, t->items);
    a->db = a->da && a->b == a->a ? a->da : maybe(t, t->items);
    a->first_a = chance(t, 30);
    a->first_b = a->db != a->da && chance(t, 30);
}

/* Differs by its nature: only that it runs and counts. */
static void make_fma_limit(trial *t)
{
    t->items = 0;
}

typedef void generator(trial *t);
static generator *const generators[LH_KERNEL_COUNT] = {
#define make_embedding_forward make_embedding
#define make_rms_norm_forward make_norm
#define make_rms_norm_backward make_norm
#define make_layer_norm_forward make_norm
#define make_layer_norm_backward make_norm
#define make_layer_norm_gain make_norm_gain
#define make_rotary_forward make_rotary
#define make_rotary_backward make_rotary
#define make_softmax_forward make_softmax
#define make_softmax_backward make_softmax
#define make_cross_entropy_forward make_cross_entropy
#define make_cross_entropy_backward make_cross_entropy
#define make_dropout_forward make_dropout
#define make_dropout_backward make_dropout
#define KERNEL(name, doc) make_##name,
#define MAP(name) make_map, make_map_backward,
#include "kernels/kernels.def"
};

/* ------------------------------------------------------------ running -- */

/* Runs the items of a trial: in one go, or in random pieces and order. */
static void run(trial *t, lh_kernel_fn *fn, bool split)
{
    size_t count = (size_t)t->scratch, bytes = count * 4 + 64 + 4 * BACK;
    char *memory = malloc(bytes);
    int64_t cut[8] = { 0 };
    int pieces = split ? 1 + (int)below(t, 6) : 1;
    if (!memory)
        exit(2);
    memset(memory, 0xff, bytes);
    float *scratch = (float *)(void *)(memory + (64 - (uintptr_t)memory %
                                                 64) % 64);
    uint32_t *behind = (uint32_t *)(void *)(scratch + count);
    for (int i = 0; i < BACK; i++)
        behind[i] = CANARY;
    for (int i = 0; i < t->buffer_count; i++)
        memcpy(t->buffers[i].memory, t->buffers[i].before,
               t->buffers[i].total * 4);
    for (int i = 1; i < pieces; i++)
        cut[i] = below(t, t->items + 1);
    cut[pieces] = t->items;
    for (int i = 1; i < pieces; i++)
        for (int j = i; j > 1 && cut[j] < cut[j - 1]; j--) {
            int64_t swap = cut[j];
            cut[j] = cut[j - 1];
            cut[j - 1] = swap;
        }
    int from = (int)below(t, pieces);
    for (int i = 0; i < pieces; i++) {
        int p = (i + from) % pieces;
        fn(&t->args, cut[p], cut[p + 1], scratch);
    }
    bool kept = true;
    for (int i = 0; i < BACK; i++)
        kept = kept && behind[i] == CANARY;
    CHECK(kept);
    free(memory);
}

/* The first float that differs, as "buffer 3 [17]"; false: none does. */
static bool differs(const trial *t, char text[80])
{
    for (int i = 0; i < t->buffer_count; i++) {
        const buffer *b = &t->buffers[i];
        for (size_t j = 0; j < b->total; j++) {
            uint32_t got = b->memory[j], wanted = b->plain[j];
            bool inside = j >= b->front && j < b->front + b->count;
            bool nans = (got & 0x7fffffff) > 0x7f800000 &&
                        (wanted & 0x7fffffff) > 0x7f800000;
            if (!inside)
                wanted = CANARY;
            if (got == wanted || (inside && nans))
                continue;
            snprintf(text, 80, "buffer %d [%lld] is %08x, not %08x", i,
                     (long long)j - (long long)b->front, (unsigned)got,
                     (unsigned)wanted);
            return true;
        }
    }
    return false;
}

static void one_trial(lh_kernel kernel, uint64_t seed,
                      lh_kernel_fn *fn[LH_ISA_COUNT][LH_KERNEL_COUNT])
{
    static const int rates[4] = { 0, 200, 20, 3 };
    char text[80];
    trial *t = calloc(1, sizeof *t);
    if (!t)
        exit(2);
    t->random = seed;
    t->extreme = rates[below(t, 4)];
    generators[kernel](t);
    run(t, fn[LH_ISA_c][kernel], false);
    for (int i = 0; i < t->buffer_count; i++)
        memcpy(t->buffers[i].plain, t->buffers[i].memory,
               t->buffers[i].total * 4);
    CHECK(!differs(t, text));                    /* plain C's own canaries */
    for (int isa = 0; isa < LH_ISA_COUNT; isa++) {
        if (!fn[isa][kernel] || (isa == LH_ISA_neon_bf16 && t->inexact))
            continue;
        run(t, fn[isa][kernel], true);
        bool wrong = differs(t, text);
        CHECK(!wrong);
        if (wrong && test_failed <= 20)
            printf("    %s on %s, seed %llu: %s\n", lh_kernel_name(kernel),
                   lh_isa_name((lh_isa)isa), (unsigned long long)seed,
                   text);
    }
    for (int i = 0; i < t->buffer_count; i++) {
        free(t->buffers[i].memory);
        free(t->buffers[i].before);
        free(t->buffers[i].plain);
    }
    free(t);
}

/* Products in bf16 of any numbers but infinite ones, in whatever order a row
 * adds: each of k roundings is at most 2^-24 of the sum of magnitudes, and so
 * is the order's; denormals may count for zeros. */
static void check_bf16(lh_kernel_fn *fn[LH_ISA_COUNT][LH_KERNEL_COUNT])
{
    enum { M = 31, N = 45, K = 500 };
    static uint16_t a[M * K], b[N * K];
    static float c[M * N], scratch[LH_GEMM_SCRATCH + 16];
    uint64_t random = 8;
    for (int i = 0; i < (M + N) * K; i++) {
        uint16_t x = (uint16_t)test_random(&random);
        if (i % 8)                     /* else of any size up to 2^63      */
            x = (uint16_t)((x & 0x80ff) | (120 + x % 9) << 7);
        *(i < M * K ? &a[i] : &b[i - M * K]) =
            (x & 0x7f80) > 0x5f00 ? 0 : x;
    }
    for (int isa = 0; isa < 3 * LH_ISA_COUNT; isa++) {
        if (!fn[isa / 3][LH_KERNEL_gemm_bf16])
            continue;
        bool nt = isa % 3 == 0, tn = isa % 3 == 2;
        lh_gemm_bf16_args g = {
            .m = M, .n = N, .k = K, .a = a, .a_row = tn ? 1 : K,
            .a_col = tn ? M : 1, .b = b, .b_row = nt ? 1 : N,
            .b_col = nt ? K : 1, .c = c, .c_row = N,
        };
        uintptr_t align = (uintptr_t)scratch % 64 / 4;
        fn[isa / 3][LH_KERNEL_gemm_bf16](&g, 0, lh_gemm_bf16_items(M, N),
                                         scratch + (16 - align) % 16);
        int wrong = 0;
        for (int i = 0; i < M * N; i++) {
            double sum = 0, size = 0;
            for (int l = 0; l < K; l++) {
                double p = (double)lh_widen(a[i / N * g.a_row +
                                              l * g.a_col]) *
                           (double)lh_widen(b[l * g.b_row +
                                              i % N * g.b_col]);
                sum += p;
                size += p < 0 ? -p : p;
            }
            double off = (double)c[i] - sum, most = K * 0x1p-22 * size +
                                                    K * 0x1p-62;
            wrong += !(off <= most && off >= -most);
        }
        CHECK_EQ_INT(wrong, 0);
    }
}

/* The rectangles of a product's items, some of them at a time, follow each
 * other and cover c: this the comparison with plain C cannot see, since it is
 * split by the same function. */
static void check_parts(void)
{
    int wrong = 0;
    for (int64_t m = 1; m < 1200; m += m < 120 ? 17 : 331)
        for (int64_t n = 1; n < 3000; n += n < 900 ? 1 : 119)
            for (int64_t step = 1; step < 90; step = 2 * step + 2) {
                int64_t items = lh_gemm_items(m, n), area = 0, end = 0;
                int64_t i = 0, j = 0, column = 0;
                for (int64_t at = 0; at < items;) {
                    end = lh_min64(at + step, items);
                    lh_gemm_part p = lh_gemm_next(m, n, at, end);
                    if (i == m) {
                        i = 0;
                        column = j;
                    }
                    wrong += p.i != i || p.j != column || p.m < 1 ||
                             p.n < 1 || p.n > LH_GEMM_PANEL || p.items < 1;
                    i += p.m;
                    j = column + p.n;
                    area += p.m * p.n;
                    at += lh_max64(p.items, 1);
                }
                wrong += area != m * n || i != m || j != n;
            }
    CHECK_EQ_INT(wrong, 0);
}

int main(int argc, char **argv)
{
    static lh_kernel_fn *fn[LH_ISA_COUNT][LH_KERNEL_COUNT];
    const char *more = getenv("LH_KERNEL_TRIALS");
    int trials = 100 * (more ? atoi(more) : 1);
    uint32_t features = lh_cpu_features();
    check_parts();
    lh_rows_c(fn[LH_ISA_c]);
    if (!lh_cpu_lacks(features, LH_ISA_sse2))
        lh_rows_sse2(fn[LH_ISA_sse2]);
    if (!lh_cpu_lacks(features, LH_ISA_neon))
        lh_rows_neon(fn[LH_ISA_neon]);
    if (!lh_cpu_lacks(features, LH_ISA_neon_bf16))
        lh_rows_neon_bf16(fn[LH_ISA_neon_bf16]);
    if (!lh_cpu_lacks(features, LH_ISA_avx2))
        lh_rows_avx2(fn[LH_ISA_avx2]);
    else
        SKIP("rows avx2", lh_cpu_lacks(features, LH_ISA_avx2));
    if (!lh_cpu_lacks(features, LH_ISA_avx512))
        lh_rows_avx512(fn[LH_ISA_avx512]);
    else
        SKIP("rows avx512", lh_cpu_lacks(features, LH_ISA_avx512));
    if (!lh_cpu_lacks(features, LH_ISA_avx512_bf16))
        lh_rows_avx512_bf16(fn[LH_ISA_avx512_bf16]);
    else
        SKIP("rows avx512_bf16", lh_cpu_lacks(features,
                                              LH_ISA_avx512_bf16));
    for (int k = 0; k < LH_KERNEL_COUNT; k++) {
        CHECK(fn[LH_ISA_c][k] != NULL);
        if (k == LH_KERNEL_fma_limit || !fn[LH_ISA_c][k] ||
            (argc > 1 && strcmp(argv[1], lh_kernel_name((lh_kernel)k))))
            continue;
        bool product = k == LH_KERNEL_gemm || k == LH_KERNEL_gemm_bf16;
        int count = product ? 5 * trials : trials;
        for (int i = 0; i < count; i++)
            one_trial((lh_kernel)k, (uint64_t)(k * 1000003 + i), fn);
    }
    check_bf16(fn);
    return test_end("kernels");
}
