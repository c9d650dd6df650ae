/* First byte: what kind of log, and how much of a record is kept. Second: the log's number. The rest: the file. */
#include "fuzz.h"

#include <unistd.h>

enum { FLAGS = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < FLAGS)
        return 0;
    size_t length = size - FLAGS, last = 0;
    struct wf_log log = {.fd = file_of(data + FLAGS, length),
                         .wal = (data[0] & 1) != 0,
                         .log_number = data[1],
                         .keep = (data[0] & 2) != 0 ? 12 : SIZE_MAX,
                         .max_record = (data[0] & 4) != 0 ? 100000 : UINT64_MAX};
    struct wf_record record;
    bool found = true;
    watch_memory();
    EXPECT(wf_log_open(&log, 0, (data[0] & 8) != 0 ? (int64_t)(length / 2) : -1) == 0);
    while (found) {
        EXPECT(wf_log_next(&log, &record, &found) == 0);
        if (!found)
            break;
        EXPECT(record.start < record.end && record.end <= log.end && record.end > last);
        EXPECT(record.length <= length);
        touch(record.bytes, record.length < log.keep ? (size_t)record.length : log.keep);
        last = (size_t)record.end;
    }
    EXPECT(log.state == WF_CLEAN || log.state == WF_TORN || log.state == WF_CORRUPT);
    EXPECT(log.problem == NULL || log.problem_at <= length);
    wf_log_close(&log);
    expect_memory_below(WF_LOG_CHUNK + 8192, 4, length);
    close(log.fd);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, capacity);
    if (seed % 8 != 0 && size > FLAGS)
        reseal(data + FLAGS, size - FLAGS, (data[0] & 1) != 0);
    return size;
}
