#include "walrus_native.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* A whole atomic group is held until its last edit is there; so is a record that spans blocks. */
#define LARGEST_RECORD (UINT64_C(1) << 30)

/* The edits of an atomic group: length (8 bytes) and bytes of each. */
struct group {
    uint8_t *bytes;
    size_t size, capacity;
    uint64_t read, expected; /* expected = 0: no group is open */
    uint64_t start;
};

static void fail(struct wf_replay *replay, const char *what, uint64_t at)
{
    replay->verdict = WF_CORRUPT;
    snprintf(replay->reason, sizeof replay->reason, "%s at %" PRIu64, what, at);
}

static void fail_edit(struct wf_replay *replay, const char *what, uint64_t number, uint64_t at)
{
    replay->verdict = WF_CORRUPT;
    snprintf(replay->reason, sizeof replay->reason, "%s %" PRIu64 " in the record at %" PRIu64, what, number, at);
}

static int apply_one(struct wf_replay *replay, const uint8_t *bytes, size_t length, uint64_t at)
{
    struct wf_edit edit;
    const char *problem;
    uint64_t number;
    (void)wf_edit_scan(bytes, length, &edit); /* was checked before */
    int error = wf_state_apply(&replay->state, bytes, length, &edit, &problem, &number);
    if (error == 0 && problem != NULL)
        fail_edit(replay, problem, number, at);
    return error;
}

static int apply_group(struct wf_replay *replay, const struct group *group)
{
    int error = 0;
    for (size_t i = 0; i < group->size && error == 0 && replay->verdict != WF_CORRUPT;) {
        uint64_t length;
        memcpy(&length, group->bytes + i, sizeof length);
        error = apply_one(replay, group->bytes + i + sizeof length, (size_t)length, group->start);
        i += sizeof length + (size_t)length;
    }
    return error;
}

/* Ends a unit: all of it, or nothing. */
static int close_unit(struct wf_replay *replay, int error, uint64_t edits, uint64_t end)
{
    if (error != 0 || replay->verdict == WF_CORRUPT) {
        wf_state_rollback(&replay->state);
        return error;
    }
    wf_state_commit(&replay->state);
    replay->edits += edits;
    replay->offset = end;
    return 0;
}

static int add_to_group(struct group *group, const struct wf_record *record)
{
    size_t needed = sizeof record->length + (size_t)record->length;
    if (group->capacity - group->size < needed) {
        size_t capacity = (group->size + needed) * 2;
        uint8_t *bigger = realloc(group->bytes, capacity);
        if (bigger == NULL)
            return ENOMEM;
        group->bytes = bigger;
        group->capacity = capacity;
    }
    memcpy(group->bytes + group->size, &record->length, sizeof record->length);
    if (record->length > 0)
        memcpy(group->bytes + group->size + sizeof record->length, record->bytes, (size_t)record->length);
    group->size += needed;
    return 0;
}

/* AtomicGroupReadBuffer::AddEdit: every edit says how many follow, and no other edit comes between them. */
static int take_grouped(struct wf_replay *replay, struct group *group, const struct wf_record *record,
                        const struct wf_edit *edit)
{
    if (group->expected == 0) {
        group->expected = (uint64_t)edit->remaining + 1;
        group->start = record->start;
        group->read = group->size = 0;
    }
    group->read++;
    if (group->read + edit->remaining != group->expected) {
        fail(replay, "broken atomic group", record->start);
        return 0;
    }
    if (group->size + record->length > LARGEST_RECORD) {
        fail(replay, "atomic group too long", record->start);
        return 0;
    }
    int error = add_to_group(group, record);
    if (error != 0 || group->read < group->expected)
        return error;
    error = close_unit(replay, apply_group(replay, group), group->read, record->end);
    group->expected = 0;
    return error;
}

static int take_record(struct wf_replay *replay, struct group *group, const struct wf_record *record)
{
    struct wf_edit edit;
    if (!record->data) { /* of a kind that may be skipped */
        if (group->expected == 0)
            replay->offset = record->end;
        return 0;
    }
    if (!wf_edit_scan(record->bytes, (size_t)record->length, &edit)) {
        replay->verdict = WF_CORRUPT;
        snprintf(replay->reason, sizeof replay->reason,
                 "undecodable edit in the record at %" PRIu64 ": %s (%" PRIu32 ")", record->start, edit.problem,
                 edit.problem_tag);
        return 0;
    }
    if (edit.in_group)
        return take_grouped(replay, group, record, &edit);
    if (group->expected != 0) {
        fail(replay, "broken atomic group", record->start);
        return 0;
    }
    const char *problem;
    uint64_t number;
    int error = wf_state_apply(&replay->state, record->bytes, (size_t)record->length, &edit, &problem, &number);
    if (error == 0 && problem != NULL)
        fail_edit(replay, problem, number, record->start);
    return close_unit(replay, error, 1, record->end);
}

static void take_verdict(struct wf_replay *replay, const struct wf_log *log, const struct group *group)
{
    replay->verdict = log->state;
    if (log->problem != NULL) {
        fail(replay, log->problem, log->problem_at);
        replay->verdict = log->state;
    } else if (group->expected != 0) {
        replay->verdict = WF_TORN;
        snprintf(replay->reason, sizeof replay->reason,
                 "unfinished atomic group at %" PRIu64 ": %" PRIu64 " of %" PRIu64 " edits", group->start, group->read,
                 group->expected);
    }
}

static int replay_log(struct wf_replay *replay, struct wf_log *log)
{
    struct group group = {0};
    struct wf_record record;
    bool found = true;
    int error = 0;
    while (error == 0 && found && replay->verdict != WF_CORRUPT) {
        error = wf_log_next(log, &record, &found);
        if (error == 0 && found)
            error = take_record(replay, &group, &record);
        else if (error == 0)
            take_verdict(replay, log, &group);
    }
    free(group.bytes);
    return error;
}

int wf_replay_init(struct wf_replay *replay)
{
    memset(replay, 0, sizeof *replay);
    return wf_state_init(&replay->state);
}

void wf_replay_free(struct wf_replay *replay)
{
    wf_state_free(&replay->state);
}

int wf_replay_feed(struct wf_replay *replay, int fd, int64_t limit, uint64_t *applied)
{
    uint64_t before = replay->edits;
    struct wf_log log = {.fd = fd, .keep = LARGEST_RECORD, .max_record = LARGEST_RECORD};
    int error = wf_log_open(&log, replay->offset, limit);
    if (error == 0) {
        replay->verdict = WF_CLEAN;
        replay->reason[0] = '\0';
        if (log.end < replay->offset)
            fail(replay, "the file ends before the last edit that was read, which ends", replay->offset);
        else
            error = replay_log(replay, &log);
    }
    wf_log_close(&log);
    *applied = replay->edits - before;
    return error;
}
