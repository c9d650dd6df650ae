#include "walrus_native.h"

#include <errno.h>
#include <stdlib.h>

/* db/log_format.h. Types 5 to 8 are 1 to 4 with the low half of the log's number behind the header: a recycled WAL
 * still holds the records of its former life behind the new ones, and only that number tells them apart. */
enum {
    HEADER = 7,
    RECYCLABLE_HEADER = 11,
    TYPE_FULL = 1,
    TYPE_FIRST = 2,
    TYPE_MIDDLE = 3,
    TYPE_LAST = 4,
    TYPE_RECYCLABLE_FULL = 5,
    TYPE_RECYCLABLE_LAST = 8,
    TYPE_COMPRESSION = 9,
    TYPE_TIMESTAMPS = 10,
    TYPE_RECYCLABLE_TIMESTAMPS = 11,
    TYPE_IGNORABLE = 0x80,
    TYPE_RECYCLABLE_PREDECESSOR = 131,
    FIRST_SCRATCH = 4096,
};

struct fragment {
    uint8_t type; /* recyclable data types are folded to 1…4 */
    const uint8_t *bytes;
    size_t length;
    uint64_t start, end;
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static bool all_zero(const uint8_t *bytes, size_t length)
{
    return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

static void finish(struct wf_log *log, int state, const char *problem, uint64_t at)
{
    log->state = state;
    log->problem = problem;
    log->problem_at = at;
}

/* Behind the last record of a recycled WAL lie arbitrary old bytes: there, damage cannot be told from the end. */
static void finish_bad(struct wf_log *log, const char *problem, uint64_t at)
{
    finish(log, log->recyclable ? WF_TORN : WF_CORRUPT, problem, at);
}

int wf_log_open(struct wf_log *log, uint64_t start, int64_t limit)
{
    int error = wf_regular_size(log->fd, &log->end);
    if (error != 0)
        return error;
    if (limit >= 0)
        log->end = least(log->end, (uint64_t)limit);
    log->position = start;
    log->buffer = malloc(WF_LOG_CHUNK);
    return log->buffer != NULL ? 0 : ENOMEM;
}

void wf_log_close(struct wf_log *log)
{
    free(log->buffer);
    free(log->scratch);
    log->buffer = log->scratch = NULL;
}

/* Makes the rest of the block at `position` available. A file that shrinks meanwhile only ends earlier. */
static int fill(struct wf_log *log, uint64_t position)
{
    if (position >= log->buffer_start && position < log->buffer_start + log->buffer_length)
        return 0;
    uint64_t start = position - position % WF_LOG_BLOCK;
    size_t got, want = (size_t)least(WF_LOG_CHUNK, log->end - start);
    int error = wf_pread_full(log->fd, log->buffer, want, start, &got);
    if (error != 0)
        return error;
    log->buffer_start = start;
    log->buffer_length = got;
    if (got < want)
        log->end = start + got;
    return 0;
}

static int zero_to_end(struct wf_log *log, uint64_t position, bool *zero)
{
    *zero = true;
    while (position < log->end && *zero) {
        int error = fill(log, position);
        if (error != 0)
            return error;
        uint64_t filled = log->buffer_start + log->buffer_length;
        if (position >= filled)
            break;
        *zero = all_zero(log->buffer + (position - log->buffer_start), (size_t)(filled - position));
        position = filled;
    }
    return 0;
}

/* Zeros where a header should be: space that was allocated in advance, or a hole with data behind it. */
static int finish_zeros(struct wf_log *log, uint64_t position)
{
    bool zero;
    int error = zero_to_end(log, position, &zero);
    if (error != 0)
        return error;
    if (!zero)
        finish_bad(log, "zeros with other data behind them", position);
    else if (log->pending)
        finish(log, WF_TORN, "unfinished record", log->pending_start);
    else if (log->wal)
        finish(log, WF_CLEAN, NULL, position);
    else
        finish(log, WF_TORN, "zero padding", position);
    return 0;
}

/* Fewer bytes than a header needs are left in the file. */
static int finish_short(struct wf_log *log, const uint8_t *bytes, uint64_t position)
{
    if (all_zero(bytes, (size_t)(log->end - position)))
        return finish_zeros(log, position);
    finish(log, WF_TORN, "incomplete record header", position);
    return 0;
}

/* The writer fills a block that is too short for the next header with zeros, and in a WAL also one that is too short
 * for the next metadata record (MaybeSwitchToNewBlock), which may leave much more than a header's size. */
static bool is_padding(const struct wf_log *log, const uint8_t *bytes, size_t room)
{
    bool possible = room < RECYCLABLE_HEADER || (log->wal && room < WF_LOG_BLOCK);
    return possible && !log->pending && all_zero(bytes, room);
}

static bool is_recyclable(const struct wf_log *log, uint8_t type)
{
    return log->wal && ((type >= TYPE_RECYCLABLE_FULL && type <= TYPE_RECYCLABLE_LAST) ||
                        type == TYPE_RECYCLABLE_TIMESTAMPS || type == TYPE_RECYCLABLE_PREDECESSOR);
}

static bool crc_matches(const uint8_t *header, size_t header_size, size_t length)
{
    uint32_t crc = wf_crc32c(0, header + 6, header_size - 6 + length);
    return wf_le32(header) == (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
}

/* A whole record lies in the buffer, but its checksum is wrong. */
static int finish_mismatch(struct wf_log *log, uint64_t start, uint64_t end)
{
    bool last;
    int error = zero_to_end(log, end, &last);
    if (error != 0)
        return error;
    if (last)
        finish(log, WF_TORN, "checksum mismatch in the record", start);
    else
        finish_bad(log, "checksum mismatch in the record", start);
    return 0;
}

static int take_fragment(struct wf_log *log, const uint8_t *header, size_t room, struct fragment *out, bool *found)
{
    uint64_t start = log->position, block_end = start + room;
    size_t available = (size_t)(least(block_end, log->end) - start);
    size_t length = (size_t)header[4] | (size_t)header[5] << 8, header_size = HEADER;
    uint8_t type = header[6];
    bool recyclable = is_recyclable(log, type);
    if (recyclable) {
        if (log->plain_data && !log->recyclable) {
            finish_bad(log, "recyclable record in a log that is not recyclable", start);
            return 0;
        }
        log->recyclable = true;
        header_size = RECYCLABLE_HEADER;
    }
    if (header_size + length > available) {
        bool crosses = header_size + length > room && log->end > block_end;
        if (crosses)
            finish_bad(log, "record longer than its block", start);
        else
            finish(log, WF_TORN, "incomplete record", start);
        return 0;
    }
    if (!crc_matches(header, header_size, length))
        return finish_mismatch(log, start, start + header_size + length);
    if (recyclable && wf_le32(header + HEADER) != log->log_number) {
        finish(log, log->pending ? WF_TORN : WF_CLEAN, log->pending ? "unfinished record" : NULL, log->pending_start);
        return 0;
    }
    bool folded = recyclable && type <= TYPE_RECYCLABLE_LAST;
    out->type = folded ? (uint8_t)(type - TYPE_RECYCLABLE_FULL + TYPE_FULL) : type;
    out->bytes = header + header_size;
    out->length = length;
    out->start = start;
    out->end = log->position = start + header_size + length;
    log->plain_data = log->plain_data || (type >= TYPE_FULL && type <= TYPE_LAST);
    *found = true;
    return 0;
}

static int next_fragment(struct wf_log *log, struct fragment *out, bool *found)
{
    *found = false;
    for (;;) {
        uint64_t position = log->position;
        size_t room = WF_LOG_BLOCK - (size_t)(position % WF_LOG_BLOCK);
        if (position < log->end) {
            int error = fill(log, position);
            if (error != 0)
                return error;
        }
        if (position >= log->end) {
            finish(log, log->pending ? WF_TORN : WF_CLEAN, log->pending ? "unfinished record" : NULL,
                   log->pending_start);
            return 0;
        }
        const uint8_t *header = log->buffer + (position - log->buffer_start);
        if (log->end - position < HEADER && (room >= HEADER || log->end - position <= room))
            return finish_short(log, header, position);
        bool zero = room >= HEADER && wf_le32(header) == 0 && header[4] == 0 && header[5] == 0 && header[6] == 0;
        if (zero && !(log->end > position + room && is_padding(log, header, room)))
            return finish_zeros(log, position);
        if (room >= HEADER && !zero)
            return take_fragment(log, header, room, out, found);
        log->position = position + room;
    }
}

static int append(struct wf_log *log, const struct fragment *fragment)
{
    size_t free_to_keep = log->keep - log->scratch_size;
    size_t wanted = fragment->length < free_to_keep ? fragment->length : free_to_keep;
    if (log->scratch_capacity - log->scratch_size < wanted) {
        size_t capacity = log->scratch_capacity != 0 ? log->scratch_capacity * 2 : FIRST_SCRATCH;
        while (capacity - log->scratch_size < wanted)
            capacity *= 2;
        uint8_t *bigger = realloc(log->scratch, capacity);
        if (bigger == NULL)
            return ENOMEM;
        log->scratch = bigger;
        log->scratch_capacity = capacity;
    }
    if (wanted > 0)
        memcpy(log->scratch + log->scratch_size, fragment->bytes, wanted);
    log->scratch_size += wanted;
    log->pending_length += fragment->length;
    return 0;
}

/* What is wrong with this fragment at this place; NULL = nothing. */
static const char *objection(const struct wf_log *log, const struct fragment *fragment)
{
    uint8_t type = fragment->type;
    bool starts = type == TYPE_FULL || type == TYPE_FIRST, continues = type == TYPE_MIDDLE || type == TYPE_LAST;
    /* Old writers could leave an empty first fragment at a block's end and begin again in the next block. */
    if (starts && log->pending && log->pending_length > 0)
        return "record begins inside another one";
    if (continues && !log->pending)
        return "record without a beginning";
    if (continues && log->pending_length + fragment->length > log->max_record)
        return "record too long";
    if (starts || continues)
        return NULL;
    if (type < TYPE_IGNORABLE && !(log->wal && type >= TYPE_COMPRESSION && type <= TYPE_RECYCLABLE_TIMESTAMPS))
        return "record of unknown type";
    if (log->pending)
        return "metadata record inside another one";
    if (type == TYPE_COMPRESSION && (log->compressed || log->any_data))
        return "compression record behind other records";
    return NULL;
}

int wf_log_next(struct wf_log *log, struct wf_record *record, bool *found)
{
    struct fragment fragment = {0};
    for (;;) {
        int error = next_fragment(log, &fragment, found);
        if (error != 0 || !*found)
            return error;
        const char *problem = objection(log, &fragment);
        if (problem != NULL) {
            *found = false;
            finish_bad(log, problem, fragment.start);
            return 0;
        }
        bool data = fragment.type <= TYPE_LAST;
        if (fragment.type == TYPE_FIRST || fragment.type == TYPE_FULL) {
            log->pending = false;
            log->scratch_size = 0;
            log->pending_length = 0;
            log->pending_start = fragment.start;
        }
        log->any_data = log->any_data || data;
        log->compressed = log->compressed || (log->wal && fragment.type == TYPE_COMPRESSION);
        *record = (struct wf_record){data, fragment.bytes, fragment.length, fragment.start, fragment.end};
        if (!data || fragment.type == TYPE_FULL)
            return 0;
        error = append(log, &fragment);
        if (error != 0)
            return error;
        log->pending = fragment.type != TYPE_LAST;
        if (!log->pending) {
            /* There is no scratch memory if all fragments were empty, but also no arithmetic on NULL. */
            const uint8_t *bytes = log->scratch != NULL ? log->scratch : fragment.bytes;
            *record = (struct wf_record){true, bytes, log->pending_length, log->pending_start, fragment.end};
            return 0;
        }
    }
}
