/* UTF-8, both ways, and foreign text made fit for a message. */
#include "base/utf8.h"

LH_INTERNAL int lh_utf8_decode(const char *text, size_t size, uint32_t *code)
{
    const unsigned char *s = (const unsigned char *)text;
    if (!size)
        return 0;
    if (s[0] < 0x80) {
        *code = s[0];
        return 1;
    }
    /* The smallest code that needs `length` bytes: below is overlong. */
    static const uint32_t smallest[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    int length = s[0] >= 0xc0 && s[0] < 0xe0 ? 2
               : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
               : s[0] >= 0xf0 && s[0] < 0xf8 ? 4 : 0;
    if (!length || size < (size_t)length)
        return 0;
    uint32_t c = s[0] & (0x7fu >> length);
    for (int i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3fu);
    }
    if (c < smallest[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    *code = c;
    return length;
}

LH_API size_t lh_text_whole(const char *text, size_t size)
{
    size_t back = 0;
    while (text && back < 3 && back < size) {
        unsigned char c = (unsigned char)text[size - 1 - back++];
        if (c < 0x80)
            return size;
        if (c >= 0xc0) {                         /* begins a character     */
            size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
            return length > back ? size - back : size;
        }
    }
    return size;
}

LH_INTERNAL size_t lh_utf8_ascii(const char *text, size_t size)
{
    size_t n = 0;
    for (uint64_t word; size - n >= 8; n += 8) {
        memcpy(&word, text + n, 8);
        if (word & 0x8080808080808080u)
            break;
    }
    while (n < size && (unsigned char)text[n] < 0x80)
        n++;
    return n;
}

LH_INTERNAL int lh_utf8_encode(uint32_t code, char text[4])
{
    if (code < 0x80) {
        text[0] = (char)code;
        return 1;
    }
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 0;
    int length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (int i = length - 1; i > 0; i--) {
        text[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    text[0] = (char)((0xf00u >> length & 0xf0u) | code);
    return length;
}

LH_INTERNAL size_t lh_utf8_mark(uint32_t seen[LH_UTF8_CODES / 32],
                                const char *text, size_t size)
{
    size_t at = 0;
    uint32_t code = 0;
    for (int length; (length = lh_utf8_decode(text + at, size - at, &code));
         at += (size_t)length)
        seen[code / 32] |= 1u << code % 32;
    return at;
}

LH_INTERNAL uint32_t lh_utf8_marked(const uint32_t seen[LH_UTF8_CODES / 32],
                                    uint32_t code)
{
    for (; code < LH_UTF8_CODES && !(seen[code / 32] >> code % 32 & 1); code++)
        if (!seen[code / 32])
            code |= 31;                /* 32 absent ones at once           */
    return code;
}

LH_INTERNAL const char *lh_utf8_show(char out[LH_UTF8_SHOWN],
                                     const char *text, size_t size)
{
    size_t at = 0, filled = 0;
    while (at < size && filled + 4 + 4 <= LH_UTF8_SHOWN) {
        uint32_t code = 0;
        int length = lh_utf8_decode(text + at, size - at, &code);
        if (!length || code < 0x20 || (code >= 0x7f && code < 0xa0)
            || code == 0x2028 || code == 0x2029) {
            out[filled++] = '?';
            at += length ? (size_t)length : 1;
            continue;
        }
        memcpy(out + filled, text + at, (size_t)length);
        filled += (size_t)length;
        at += (size_t)length;
    }
    memcpy(out + filled, at < size ? "..." : "", at < size ? 4 : 1);
    return out;
}
