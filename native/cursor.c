#include "walrus_native.h"

static bool varint(struct wf_cursor *cursor, unsigned last_shift, uint64_t *value)
{
    uint64_t result = 0;
    for (unsigned shift = 0; shift <= last_shift && cursor->at < cursor->end; shift += 7) {
        uint8_t byte = *cursor->at++;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = result;
            return true;
        }
    }
    return false;
}

bool wf_varint64(struct wf_cursor *cursor, uint64_t *value)
{
    if (cursor->at < cursor->end && *cursor->at < 0x80) { /* most tags and levels */
        *value = *cursor->at++;
        return true;
    }
    return varint(cursor, 63, value);
}

bool wf_varint32(struct wf_cursor *cursor, uint32_t *value)
{
    uint64_t wide;
    if (cursor->at < cursor->end && *cursor->at < 0x80) {
        *value = *cursor->at++;
        return true;
    }
    if (!varint(cursor, 28, &wide))
        return false;
    *value = (uint32_t)wide;
    return true;
}

bool wf_slice(struct wf_cursor *cursor, struct wf_cursor *slice)
{
    uint32_t length;
    if (!wf_varint32(cursor, &length) || length > (size_t)(cursor->end - cursor->at))
        return false;
    slice->at = cursor->at;
    slice->end = cursor->at += length;
    return true;
}
