#include "walrus_native.h"

/* db/write_batch.cc: a batch begins with its sequence number (8 bytes) and the number of its entries (4 bytes). */
enum { BATCH_HEADER = 12 };

static bool take_batch(struct wf_wal *result, const struct wf_log *log, const struct wf_record *record)
{
    if (!log->compressed && record->length < BATCH_HEADER)
        return false;
    result->batches++;
    result->has_sequence = !log->compressed;
    if (log->compressed)
        return true;
    uint32_t entries = wf_le32(record->bytes + 8);
    result->last_sequence = wf_le64(record->bytes) + (entries != 0 ? entries - 1 : 0);
    return true;
}

int wf_wal_scan(int fd, uint64_t log_number, int64_t limit, struct wf_wal *result)
{
    struct wf_log log = {
        .fd = fd, .wal = true, .log_number = (uint32_t)log_number, .keep = BATCH_HEADER, .max_record = UINT64_MAX};
    struct wf_record record;
    bool found = true;
    memset(result, 0, sizeof *result);
    int error = wf_log_open(&log, 0, limit);
    while (error == 0 && found) {
        error = wf_log_next(&log, &record, &found);
        if (error != 0 || !found)
            break;
        if (record.data && !take_batch(result, &log, &record)) {
            log.state = log.recyclable ? WF_TORN : WF_CORRUPT;
            break;
        }
        result->complete = record.end;
    }
    result->state = log.state;
    result->flags = (log.compressed ? WF_WAL_COMPRESSED : 0) | (log.recyclable ? WF_WAL_RECYCLABLE : 0);
    wf_log_close(&log);
    return error;
}
