/* First byte: where the bytes are cut in two, and how they are aligned. Every kernel against a plain loop over bits. */
#include "fuzz.h"

static uint32_t plain(uint32_t crc, const uint8_t *data, size_t length)
{
    crc = ~crc;
    for (size_t i = 0; i < length; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (UINT32_C(0x82f63b78) & -(crc & 1));
    }
    return ~crc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t skipped = data[0] % 16;
    skipped = skipped < size ? skipped : size - 1;
    const uint8_t *bytes = data + 1 + skipped;
    size_t length = size - 1 - skipped, cut = length * (data[0] >> 4) / 15;
    uint32_t expected = plain(0, bytes, length);
    for (int kernel = WF_CRC_PORTABLE; kernel <= WF_CRC_ARM; kernel++) {
        if (!wf_crc32c_available(kernel))
            continue;
        EXPECT(wf_crc32c_with(kernel, 0, bytes, length) == expected);
        uint32_t first = wf_crc32c_with(kernel, 0, bytes, cut);
        EXPECT(wf_crc32c_with(kernel, first, bytes + cut, length - cut) == expected);
    }
    EXPECT(wf_crc32c(0, bytes, length) == expected);
    return 0;
}
