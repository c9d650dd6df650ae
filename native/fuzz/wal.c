/* First byte: the log's number. The rest: a WAL. Its complete part must scan to the same, and cleanly. */
#include "fuzz.h"

#include <unistd.h>

enum { FLAGS = 1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < FLAGS)
        return 0;
    size_t length = size - FLAGS;
    int fd = file_of(data + FLAGS, length);
    struct wf_wal whole, part;
    watch_memory();
    EXPECT(wf_wal_scan(fd, data[0], -1, &whole) == 0);
    EXPECT(whole.complete <= length);
    EXPECT(whole.batches <= length);
    EXPECT(whole.state == WF_CLEAN || whole.state == WF_TORN || whole.state == WF_CORRUPT);
    EXPECT(wf_wal_scan(fd, data[0], (int64_t)whole.complete, &part) == 0);
    EXPECT(part.complete == whole.complete && part.batches == whole.batches && part.state == WF_CLEAN);
    EXPECT(part.has_sequence == whole.has_sequence && part.last_sequence == whole.last_sequence);
    expect_memory_below(WF_LOG_CHUNK + 65536, 0, length); /* a WAL's records are not kept */
    close(fd);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, capacity);
    if (seed % 8 != 0 && size > FLAGS)
        reseal(data + FLAGS, size - FLAGS, true);
    return size;
}
