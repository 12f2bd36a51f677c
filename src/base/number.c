/* Doubles as text and back, exactly.
 *
 * Both directions work on integers of a few thousand bits (schoolbook, on
 * the stack) and touch no floating-point operation, so that neither the
 * locale nor the host's rounding mode can change a digit.  Writing is the
 * free-format algorithm of Steele and White ("How to print floating-point
 * numbers accurately", 1990); reading divides two integers and rounds once.
 * Refuses: speed (a microsecond or two a number), hexadecimal, NaN, inf. */
#include "base/bits.h"
#include "base/number.h"

/* Reading needs the most: 801 digits over 10^1124 are 3,734 bits and 57 of
 * the quotient. */
enum { NUMBER_LIMBS = 128 };
/* A decimal between two doubles may need 767 digits to tell on which side
 * of their middle it is; what follows these counts as "and a bit more". */
enum { NUMBER_DIGITS = 800 };
/* Exponents are held here: beyond every double, and no sum overflows. */
static const int64_t number_exponent = (int64_t)1 << 60;

/* ------------------------------------------------------- big integers -- */

typedef struct number_big {
    int size;                          /* limbs in use; the last is not 0  */
    uint32_t limb[NUMBER_LIMBS];       /* the lowest first                 */
} number_big;

static void number_set(number_big *a, uint64_t value)
{
    a->limb[0] = (uint32_t)value;
    a->limb[1] = (uint32_t)(value >> 32);
    a->size = a->limb[1] ? 2 : a->limb[0] ? 1 : 0;
}

/* a = a * factor + more. */
static void number_scale(number_big *a, uint32_t factor, uint32_t more)
{
    uint64_t carry = more;
    for (int i = 0; i < a->size; i++) {
        carry += (uint64_t)a->limb[i] * factor;
        a->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry && a->size < NUMBER_LIMBS)
        a->limb[a->size++] = (uint32_t)carry;
}

static void number_scale10(number_big *a, int power)
{
    for (; power >= 9; power -= 9)
        number_scale(a, 1000000000u, 0);
    for (; power > 0; power--)
        number_scale(a, 10, 0);
}

static void number_shift(number_big *a, int bits)
{
    int limbs = bits / 32;
    number_scale(a, (uint32_t)1 << bits % 32, 0);
    if (!a->size || !limbs || a->size + limbs > NUMBER_LIMBS)
        return;
    memmove(a->limb + limbs, a->limb, (size_t)a->size * sizeof a->limb[0]);
    memset(a->limb, 0, (size_t)limbs * sizeof a->limb[0]);
    a->size += limbs;
}

static int number_compare(const number_big *a, const number_big *b)
{
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    for (int i = a->size - 1; i >= 0; i--)
        if (a->limb[i] != b->limb[i])
            return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

/* a = a - b, a >= b. */
static void number_subtract(number_big *a, const number_big *b)
{
    int64_t borrow = 0;
    for (int i = 0; i < a->size; i++) {
        borrow += (int64_t)a->limb[i] - (i < b->size ? b->limb[i] : 0);
        a->limb[i] = (uint32_t)borrow;
        borrow = borrow < 0 ? -1 : 0;
    }
    while (a->size && !a->limb[a->size - 1])
        a->size--;
}

/* Compares a + b with c. */
static int number_compare_sum(const number_big *a, const number_big *b,
                              const number_big *c)
{
    number_big sum;
    uint64_t carry = 0;
    int size = a->size > b->size ? a->size : b->size;
    for (int i = 0; i < size; i++) {
        carry += i < a->size ? a->limb[i] : 0;
        carry += i < b->size ? b->limb[i] : 0;
        sum.limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    sum.size = size;
    if (carry && size < NUMBER_LIMBS)
        sum.limb[sum.size++] = (uint32_t)carry;
    return number_compare(&sum, c);
}

static int number_bits(const number_big *a)
{
    return a->size ? 32 * a->size - __builtin_clz(a->limb[a->size - 1]) : 0;
}

/* ------------------------------------------------------------- writing -- */

/* The shortest digits of mantissa * 2^e, that value = 0.DIGITS * 10^*point;
 * their number.  All that lies nearer to it than to its neighbours reads
 * back as it; the middle itself does where the mantissa is even. */
static int number_digits(uint64_t mantissa, int e, char digits[20],
                         int *point)
{
    number_big r, s, above, below;               /* value = r / s          */
    bool even = mantissa % 2 == 0;
    bool lopsided = mantissa == (uint64_t)1 << 52 && e > -1074;
    int bits = 64 - __builtin_clzll(mantissa), count = 0;
    number_set(&r, mantissa);
    number_set(&s, 1);
    number_set(&above, 1);
    number_shift(&r, (e > 0 ? e : 0) + 1 + lopsided);
    number_shift(&s, (e < 0 ? -e : 0) + 1 + lopsided);
    number_shift(&above, e > 0 ? e : 0);
    below = above;                               /* half way down ...      */
    number_shift(&above, lopsided);              /* ... and half way up    */

    /* floor(log10(2^i)) + 1 for |i| <= 1100: 78913 is 2^18 log10 2, from
     * below; 2^28 more, 1024 then, are shifted as no negative number is. */
    int k = (((bits - 1 + e) * 78913 + (1 << 28)) >> 18) - 1023;
    if (k > 0)
        number_scale10(&s, k);
    number_scale10(&r, -k);
    number_scale10(&above, -k);
    number_scale10(&below, -k);
    if (number_compare_sum(&r, &above, &s) >= (even ? 0 : 1)) {
        number_scale(&s, 10, 0);
        k++;
    }
    for (;;) {
        int digit = 0;
        number_scale(&r, 10, 0);
        number_scale(&above, 10, 0);
        number_scale(&below, 10, 0);
        for (; number_compare(&r, &s) >= 0; digit++)
            number_subtract(&r, &s);
        bool low = number_compare(&r, &below) < (even ? 1 : 0);
        bool high = number_compare_sum(&r, &above, &s) >= (even ? 0 : 1);
        if (low && high) {                       /* both would do: nearer  */
            int side = number_compare_sum(&r, &r, &s);
            high = side > 0 || (side == 0 && digit % 2);
        }
        digits[count++] = (char)('0' + digit + high);
        if (low || high)
            break;
    }
    *point = k;
    return count;
}

/* Digits and the point's place as Python's repr() spells them: plain from
 * 1e-04 to below 1e+16. */
static int number_spell(char *text, const char *digits, int count, int point)
{
    char *out = text;
    if (point > 16 || point < -3) {
        *out++ = digits[0];
        if (count > 1)
            *out++ = '.';
        for (int i = 1; i < count; i++)
            *out++ = digits[i];
        return (int)(out - text) + snprintf(out, 6, "e%+03d", point - 1);
    }
    if (point <= 0) {
        *out++ = '0';
        *out++ = '.';
        for (int i = point; i < 0; i++)
            *out++ = '0';
    }
    for (int i = 0; i < count || i < point; i++) {
        if (i == point && i > 0)
            *out++ = '.';
        *out++ = i < count ? digits[i] : '0';
    }
    return (int)(out - text);
}

LH_INTERNAL int lh_number_write(char text[LH_NUMBER_SIZE], double value)
{
    uint64_t bits = lh_bits64_of(value);
    int field = (int)(bits >> 52 & 0x7ff), length = 0, point = 1;
    uint64_t mantissa = bits & 0xfffffffffffffu;
    if (field == 0x7ff) {
        strcpy(text, "null");
        return 4;
    }
    if (bits >> 63)
        text[length++] = '-';
    if (field)
        mantissa |= (uint64_t)1 << 52;
    else
        field = 1;
    char digits[20] = "0";
    int count = mantissa ? number_digits(mantissa, field - 1075, digits,
                                         &point) : 1;
    length += number_spell(text + length, digits, count, point);
    text[length] = '\0';
    return length;
}

/* ------------------------------------------------------------- reading -- */

/* A decimal taken apart: 0.DIGITS... as an integer and a power of ten. */
typedef struct number_decimal {
    bool negative;
    int digits;                        /* significant ones in `integer`    */
    int64_t exponent;                  /* value = integer * 10^exponent    */
    number_big integer;
} number_decimal;

static bool number_is_digit(const char *text, size_t size, size_t at)
{
    return at < size && text[at] >= '0' && text[at] <= '9';
}

/* The digits from *at on.  fraction: they stand behind the point.  Those
 * beyond NUMBER_DIGITS are dropped; *more says whether one was not 0. */
static void number_run(number_decimal *d, const char *text, size_t size,
                       size_t *at, bool fraction, bool *more)
{
    for (; number_is_digit(text, size, *at); ++*at) {
        uint32_t digit = (uint32_t)(text[*at] - '0');
        if (d->digits < NUMBER_DIGITS) {
            number_scale(&d->integer, 10, digit);
            d->digits += d->digits || digit;
            d->exponent -= fraction;
        } else {
            *more |= digit != 0;
            d->exponent += !fraction;
        }
    }
}

/* The JSON grammar: -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
static bool number_scan(number_decimal *d, const char *text, size_t size)
{
    size_t at = 0;
    bool more = false;
    if (at < size && text[at] == '-') {
        d->negative = true;
        at++;
    }
    if (!number_is_digit(text, size, at) ||
        (text[at] == '0' && number_is_digit(text, size, at + 1)))
        return false;
    number_run(d, text, size, &at, false, &more);
    if (at < size && text[at] == '.') {
        at++;
        if (!number_is_digit(text, size, at))
            return false;
        number_run(d, text, size, &at, true, &more);
    }
    if (more) {                                  /* between this and next  */
        number_scale(&d->integer, 10, 1);
        d->digits++;
        d->exponent--;
    }
    if (at < size && (text[at] == 'e' || text[at] == 'E')) {
        int64_t e = 0;
        bool down = false;
        at++;
        if (at < size && (text[at] == '+' || text[at] == '-'))
            down = text[at++] == '-';
        if (!number_is_digit(text, size, at))
            return false;
        for (; number_is_digit(text, size, at); at++)
            if (e < number_exponent / 16)
                e = 10 * e + (text[at] - '0');
        d->exponent += down ? -e : e;
    }
    return at == size;
}

/* integer * 10^exponent to the nearest double's bits, ties to even. */
static uint64_t number_nearest(number_decimal *d)
{
    const int quotient_bits = 56;
    number_big *r = &d->integer, s;
    number_set(&s, 1);
    if (d->exponent >= 0)
        number_scale10(r, (int)d->exponent);
    else
        number_scale10(&s, (int)-d->exponent);
    int e = number_bits(r) - number_bits(&s);    /* 1/2 < r/s < 2 after:   */
    if (e > 0)
        number_shift(&s, e);
    else
        number_shift(r, -e);
    uint64_t q = 0;
    for (int i = 0; i < quotient_bits; i++) {
        q <<= 1;
        if (number_compare(r, &s) >= 0) {
            number_subtract(r, &s);
            q |= 1;
        }
        number_shift(r, 1);
    }
    /* value = (q + a rest below 1) * 2^e, 2^54 < q < 2^56.  The last place
     * of the double has the weight 2^last. */
    e -= quotient_bits - 1;
    int last = e + (q >> 55 ? 55 : 54) - 52;
    if (last < -1074)
        last = -1074;
    int dropped = last - e;                      /* 2 to 58                */
    uint64_t rest = q & (((uint64_t)1 << dropped) - 1);
    uint64_t half = (uint64_t)1 << (dropped - 1);
    uint64_t mantissa = q >> dropped;
    if (rest > half || (rest == half && (r->size || mantissa % 2)))
        mantissa++;
    return mantissa + ((uint64_t)(last + 1074) << 52);
}

LH_INTERNAL bool lh_number_parse(const char *text, size_t size,
                                 double *value)
{
    number_decimal d = { .negative = false };
    uint64_t bits = 0;
    if (!number_scan(&d, text, size))
        return false;
    /* 10^(top-1) <= |value| < 10^top, where half of the least double is
     * above 10^-324 and the greatest is below 10^309. */
    int64_t top = d.digits + d.exponent;
    if (d.digits && top > 309)
        return false;
    if (d.digits && top > -324)
        bits = number_nearest(&d);
    if (bits >> 52 >= 0x7ff)
        return false;
    *value = lh_double_of(bits | (uint64_t)d.negative << 63);
    return true;
}

LH_INTERNAL bool lh_integer_parse(const char *text, size_t size,
                                  int64_t *value)
{
    size_t at = 0;
    bool negative = false;
    uint64_t n = 0;
    if (size && (text[0] == '-' || text[0] == '+'))
        negative = text[at++] == '-';
    if (at == size)
        return false;
    for (; at < size; at++) {
        if (!number_is_digit(text, size, at) ||
            __builtin_mul_overflow(n, 10u, &n) ||
            __builtin_add_overflow(n, (uint64_t)(text[at] - '0'), &n))
            return false;
    }
    if (n > (uint64_t)INT64_MAX + negative)
        return false;
    *value = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}
