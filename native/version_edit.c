#include "walrus_native.h"

/* Tags of db/version_edit.h, which are written to disk and never change. */
enum {
    TAG_COMPARATOR = 1,
    TAG_LOG_NUMBER = 2,
    TAG_NEXT_FILE = 3,
    TAG_LAST_SEQUENCE = 4,
    TAG_COMPACT_CURSOR = 5,
    TAG_DELETED_FILE = 6,
    TAG_NEW_FILE = 7,
    TAG_PREV_LOG_NUMBER = 9,
    TAG_MIN_LOG_TO_KEEP = 10,
    TAG_NEW_FILE2 = 100,
    TAG_NEW_FILE3 = 102,
    TAG_NEW_FILE4 = 103,
    TAG_FAMILY = 200,
    TAG_FAMILY_ADD = 201,
    TAG_FAMILY_DROP = 202,
    TAG_MAX_FAMILY = 203,
    TAG_IN_ATOMIC_GROUP = 300,
    TAG_BLOB_ADD = 400,
    TAG_BLOB_GARBAGE = 401,
    TAG_IGNORABLE = 1 << 13,
    TAG_DB_ID = 8193,
    TAG_OLD_BLOB_ADD = 8194,
    TAG_OLD_BLOB_GARBAGE = 8195,
    TAG_OLD_WAL_ADD = 8196, /* 8196 and 8197 have no length prefix, though their number is in the ignorable range */
    TAG_OLD_WAL_DELETE = 8197,
    TAG_WAL_ADD = 8199,
    TAG_WAL_DELETE = 8200,
};

enum {
    FILE_END = 1,
    FILE_NEED_COMPACTION = 2,
    FILE_MIN_LOG_TO_KEEP = 3,
    FILE_OLDEST_BLOB = 4,
    FILE_OLDEST_ANCESTOR_TIME = 5,
    FILE_CREATION_TIME = 6,
    FILE_TEMPERATURE = 9,
    FILE_UNIQUE_ID = 12,
    FILE_EPOCH = 13,
    FILE_RANGE_DELETION_SIZE = 14,
    FILE_TAIL_SIZE = 15,
    FILE_TIMESTAMPS_PERSISTED = 16,
    FILE_MUST_KNOW = 1 << 6, /* also the blob files' mask */
    FILE_PATH_ID = 65,
    PATHS = 4,
    INTERNAL_KEY_SUFFIX = 8, /* sequence number and type behind every key */
    UNIQUE_ID_SIZE = 16,
};

/* RocksDB packs the path id into the two bits above (db/version_edit.h kFileNumberMask). */
#define FILE_NUMBER_MAX UINT64_C(0x3FFFFFFFFFFFFFFF)

static enum wf_op_kind bad(struct wf_edit *edit, const char *problem, uint32_t tag)
{
    edit->problem = problem;
    edit->problem_tag = tag;
    return WF_OP_BAD;
}

static bool level(struct wf_cursor *cursor, uint32_t *value)
{
    return wf_varint32(cursor, value) && *value <= INT32_MAX;
}

static bool file_number(struct wf_cursor *cursor, uint64_t *value)
{
    return wf_varint64(cursor, value) && *value <= FILE_NUMBER_MAX;
}

static bool internal_key(struct wf_cursor *cursor)
{
    struct wf_cursor key;
    return wf_slice(cursor, &key) && key.end - key.at >= INTERNAL_KEY_SUFFIX;
}

static size_t size_of(const struct wf_cursor *slice)
{
    return (size_t)(slice->end - slice->at);
}

/* One custom field of a new file; NULL = accepted. */
static const char *file_field(uint32_t tag, struct wf_cursor field, struct wf_edit *edit, struct wf_op *op)
{
    uint64_t ignored;
    switch (tag) {
    case FILE_MIN_LOG_TO_KEEP: /* an 8-byte number that belongs to the edit, not to the file */
        if (size_of(&field) < 8)
            return "min log number field";
        edit->has_min_log = true;
        edit->min_log = wf_le64(field.at);
        return NULL;
    case FILE_OLDEST_BLOB:
        return wf_varint64(&field, &op->blob) ? NULL : "oldest blob file field";
    case FILE_PATH_ID:
        if (size_of(&field) != 1 || field.at[0] >= PATHS)
            return "path id field";
        op->path = field.at[0];
        return NULL;
    case FILE_OLDEST_ANCESTOR_TIME:
    case FILE_CREATION_TIME:
    case FILE_EPOCH:
    case FILE_RANGE_DELETION_SIZE:
    case FILE_TAIL_SIZE:
        return wf_varint64(&field, &ignored) ? NULL : "number field of a file";
    case FILE_NEED_COMPACTION:
    case FILE_TEMPERATURE:
    case FILE_TIMESTAMPS_PERSISTED:
        return size_of(&field) == 1 ? NULL : "flag field of a file";
    case FILE_UNIQUE_ID:
        return size_of(&field) == UNIQUE_ID_SIZE ? NULL : "unique id field";
    default:
        return (tag & FILE_MUST_KNOW) != 0 ? "unknown field of a file" : NULL;
    }
}

static enum wf_op_kind new_file(struct wf_cursor *cursor, uint32_t tag, struct wf_edit *edit, struct wf_op *op)
{
    uint64_t sequence;
    bool ok = level(cursor, &op->level) && file_number(cursor, &op->number);
    if (tag == TAG_NEW_FILE3)
        ok = ok && wf_varint32(cursor, &op->path);
    ok = ok && wf_varint64(cursor, &op->size) && internal_key(cursor) && internal_key(cursor);
    if (tag != TAG_NEW_FILE)
        ok = ok && wf_varint64(cursor, &sequence) && wf_varint64(cursor, &sequence);
    if (!ok)
        return bad(edit, "new file", tag);
    while (tag == TAG_NEW_FILE4) {
        uint32_t field_tag;
        struct wf_cursor field;
        if (!wf_varint32(cursor, &field_tag))
            return bad(edit, "field tag of a file", tag);
        if (field_tag == FILE_END)
            break;
        if (!wf_slice(cursor, &field))
            return bad(edit, "field length of a file", field_tag);
        const char *problem = file_field(field_tag, field, edit, op);
        if (problem != NULL)
            return bad(edit, problem, field_tag);
    }
    return WF_OP_TABLE_ADD;
}

static bool blob_fields(struct wf_cursor *cursor)
{
    uint32_t tag;
    struct wf_cursor field;
    while (wf_varint32(cursor, &tag)) {
        if (tag == 0)
            return true;
        if ((tag & FILE_MUST_KNOW) != 0 || !wf_slice(cursor, &field))
            return false;
    }
    return false;
}

static enum wf_op_kind blob(struct wf_cursor *cursor, uint32_t tag, struct wf_edit *edit, struct wf_op *op)
{
    struct wf_cursor checksum;
    bool added = tag == TAG_BLOB_ADD || tag == TAG_OLD_BLOB_ADD;
    bool ok = wf_varint64(cursor, &op->number) && wf_varint64(cursor, &op->count) && wf_varint64(cursor, &op->bytes);
    if (added) /* the checksum's method and value */
        ok = ok && wf_slice(cursor, &checksum) && wf_slice(cursor, &checksum);
    if (!ok || !blob_fields(cursor))
        return bad(edit, added ? "blob file addition" : "blob file garbage", tag);
    return added ? WF_OP_BLOB_ADD : WF_OP_BLOB_GARBAGE;
}

/* db/wal_edit.cc: number, then tag 2 with the synced size if it is known, then tag 1. */
static bool wal_addition(struct wf_cursor *cursor, struct wf_op *op)
{
    uint32_t tag;
    op->size = UINT64_MAX;
    if (!wf_varint64(cursor, &op->number))
        return false;
    while (wf_varint32(cursor, &tag)) {
        if (tag == 1)
            return true;
        if (tag != 2 || !wf_varint64(cursor, &op->size))
            return false;
    }
    return false;
}

static enum wf_op_kind wal(struct wf_cursor *cursor, uint32_t tag, struct wf_edit *edit, struct wf_op *op)
{
    struct wf_cursor payload, *from = cursor;
    if (tag == TAG_WAL_ADD || tag == TAG_WAL_DELETE) {
        if (!wf_slice(cursor, &payload))
            return bad(edit, "WAL record length", tag);
        from = &payload;
    }
    if (tag == TAG_WAL_ADD || tag == TAG_OLD_WAL_ADD)
        return wal_addition(from, op) ? WF_OP_WAL_ADD : bad(edit, "WAL addition", tag);
    return wf_varint64(from, &edit->wal_floor) ? WF_OP_END : bad(edit, "WAL deletion", tag);
}

static bool number(struct wf_cursor *cursor, bool *has, uint64_t *value)
{
    *has = true;
    return wf_varint64(cursor, value);
}

static bool text(struct wf_cursor *cursor, bool *has, struct wf_cursor *value)
{
    *has = true;
    return wf_slice(cursor, value);
}

/* Tags that set a value of the edit itself; false = undecodable or unknown. */
static bool scalar(struct wf_cursor *cursor, uint32_t tag, struct wf_edit *edit)
{
    uint32_t ignored;
    struct wf_cursor skipped;
    switch (tag) {
    case TAG_COMPARATOR:
        return text(cursor, &edit->has_comparator, &edit->comparator);
    case TAG_DB_ID:
        return text(cursor, &edit->has_db_id, &edit->db_id);
    case TAG_LOG_NUMBER:
        return number(cursor, &edit->has_log, &edit->log);
    case TAG_NEXT_FILE:
        return number(cursor, &edit->has_next_file, &edit->next_file);
    case TAG_LAST_SEQUENCE:
        return number(cursor, &edit->has_last_sequence, &edit->last_sequence);
    case TAG_PREV_LOG_NUMBER:
        return number(cursor, &edit->has_prev_log, &edit->prev_log);
    case TAG_MIN_LOG_TO_KEEP:
        return number(cursor, &edit->has_min_log, &edit->min_log);
    case TAG_FAMILY:
        return wf_varint32(cursor, &edit->family);
    case TAG_FAMILY_ADD:
        return text(cursor, &edit->family_add, &edit->family_name);
    case TAG_FAMILY_DROP:
        edit->family_drop = true;
        return true;
    case TAG_MAX_FAMILY:
        return wf_varint32(cursor, &ignored);
    case TAG_IN_ATOMIC_GROUP:
        edit->in_group = true;
        return wf_varint32(cursor, &edit->remaining);
    case TAG_COMPACT_CURSOR:
        return level(cursor, &ignored) && internal_key(cursor);
    default:
        return (tag & TAG_IGNORABLE) != 0 && wf_slice(cursor, &skipped);
    }
}

enum wf_op_kind wf_edit_next(struct wf_cursor *cursor, struct wf_edit *edit, struct wf_op *op)
{
    uint32_t tag;
    memset(op, 0, sizeof *op);
    while (cursor->at < cursor->end) {
        enum wf_op_kind kind = WF_OP_END;
        if (!wf_varint32(cursor, &tag))
            return bad(edit, "tag", 0);
        switch (tag) {
        case TAG_DELETED_FILE:
            if (!level(cursor, &op->level) || !file_number(cursor, &op->number))
                return bad(edit, "deleted file", tag);
            kind = WF_OP_TABLE_DROP;
            break;
        case TAG_NEW_FILE:
        case TAG_NEW_FILE2:
        case TAG_NEW_FILE3:
        case TAG_NEW_FILE4:
            kind = new_file(cursor, tag, edit, op);
            break;
        case TAG_BLOB_ADD:
        case TAG_BLOB_GARBAGE:
        case TAG_OLD_BLOB_ADD:
        case TAG_OLD_BLOB_GARBAGE:
            kind = blob(cursor, tag, edit, op);
            break;
        case TAG_OLD_WAL_ADD:
        case TAG_OLD_WAL_DELETE:
        case TAG_WAL_ADD:
        case TAG_WAL_DELETE:
            kind = wal(cursor, tag, edit, op);
            break;
        default:
            if (!scalar(cursor, tag, edit))
                return bad(edit, "tag", tag);
        }
        if (kind != WF_OP_END)
            return op->kind = kind;
    }
    return op->kind = WF_OP_END;
}

bool wf_edit_scan(const uint8_t *bytes, size_t length, struct wf_edit *edit)
{
    struct wf_cursor cursor = {bytes, bytes + length};
    struct wf_op op;
    memset(edit, 0, sizeof *edit);
    for (;;) {
        enum wf_op_kind kind = wf_edit_next(&cursor, edit, &op);
        if (kind == WF_OP_END || kind == WF_OP_BAD)
            return kind == WF_OP_END;
        edit->ops[kind]++;
    }
}
