#include "walrus_native.h"

bool wf_varint_long(struct wf_cursor *cursor, unsigned last_shift, uint64_t *value)
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
