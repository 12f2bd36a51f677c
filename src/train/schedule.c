/* The learning rate over a run: a linear rise, then one of four shapes. */
#include "base/strict.h"

#include "base/math64.h"
#include "train/train.h"

static const double schedule_pi = 3.14159265358979323846;

/* The share of the peak, 0 to 1, at `done` of `length` steps behind the
 * warm-up; cool_down: the trapezoid's falling steps. */
static double schedule_share(lh_schedule kind, double done, double length,
                             double cool_down, double end)
{
    double sine, cosine, part = length > 0 ? done / length : 0;
    switch (kind) {
    case LH_CONSTANT:
        break;
    case LH_LINEAR:
        return 1 - (1 - end) * part;
    case LH_COSINE:
        lh_sincos64(schedule_pi * part, &sine, &cosine);
        return end + (1 - end) * (0.5 * (1 + cosine));
    case LH_TRAPEZOID:
        if (length - done < cool_down)
            return end + (1 - end) * ((length - done) / cool_down);
        break;
    }
    return 1;
}

LH_INTERNAL double lh_schedule_rate(const lh_train_settings *s, double peak,
                                    int64_t step)
{
    if (step < s->warm_up)
        return peak * ((double)(step + 1) / (double)(s->warm_up + 1));
    return peak * schedule_share(s->schedule, (double)(step - s->warm_up),
                                 (double)(s->steps - s->warm_up),
                                 (double)s->cool_down, s->final_rate);
}

LH_INTERNAL bool lh_schedule_same(const lh_train_settings *s, int64_t steps,
                                  int64_t cool_down, int64_t done)
{
    if (steps == s->steps && cool_down == s->cool_down)
        return true;
    /* The step behind i done ones falls where steps - i < cool_down. */
    return s->schedule == LH_CONSTANT ||
           (s->schedule == LH_TRAPEZOID && done <= s->steps - s->cool_down &&
            done <= steps - cool_down);
}
