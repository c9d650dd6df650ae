/* The contract between the C kernels of walrus-fast and whoever calls them (module*.c is the only caller).
 *
 * Rules that hold for every function here:
 *   - no Python: a kernel runs without the interpreter lock and never calls back;
 *   - no global mutable state: calls on different objects may run at the same time, calls on one object may not;
 *   - results go to memory of the caller; what is allocated for the caller is named and freed with free();
 *   - an int that is returned is 0 or a positive errno unless the comment says otherwise; ENOMEM, EINVAL (not a
 *     regular file) and EIO (a source became shorter) may be our own, the others come from system calls;
 *   - a system call that is interrupted (EINTR) is repeated, a short read or write is continued;
 *   - bytes of a file are hostile: nothing is read behind them, and no allocation follows a length that they state.
 *
 * The formats are RocksDB's (db/log_format.h, db/version_edit.h, db/wal_edit.cc, db/blob/, table/format.cc),
 * described in our own words.
 */
#ifndef WALRUS_NATIVE_H
#define WALRUS_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* How a log ended. The numbers are part of the Python interface. */
enum { WF_CLEAN = 0, WF_TORN = 1, WF_CORRUPT = 2 };

#define WF_REASON_SIZE 192

static inline uint32_t wf_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t wf_le64(const uint8_t *p)
{
    return (uint64_t)wf_le32(p) | (uint64_t)wf_le32(p + 4) << 32;
}

/* ---- cursor: bounds-checked decoding. Each function returns false, without a promise about the position, when the
 * bytes do not hold what is asked for. Varints longer than five (ten) bytes are refused, excess bits of the last byte
 * are dropped, as in util/coding.cc. */
struct wf_cursor {
    const uint8_t *at;
    const uint8_t *end;
};

bool wf_varint_long(struct wf_cursor *cursor, unsigned last_shift, uint64_t *value);

/* Inline for the one-byte case, which most tags, levels and lengths are: decoding is half of a replay's time. */
static inline bool wf_varint64(struct wf_cursor *cursor, uint64_t *value)
{
    if (cursor->at >= cursor->end || *cursor->at >= 0x80)
        return wf_varint_long(cursor, 63, value);
    *value = *cursor->at++;
    return true;
}

static inline bool wf_varint32(struct wf_cursor *cursor, uint32_t *value)
{
    uint64_t wide;
    if (cursor->at >= cursor->end || *cursor->at >= 0x80) {
        if (!wf_varint_long(cursor, 28, &wide))
            return false;
        *value = (uint32_t)wide;
        return true;
    }
    *value = *cursor->at++;
    return true;
}

/* varint32 length, then that many bytes */
static inline bool wf_slice(struct wf_cursor *cursor, struct wf_cursor *slice)
{
    uint32_t length;
    if (!wf_varint32(cursor, &length) || length > (size_t)(cursor->end - cursor->at))
        return false;
    slice->at = cursor->at;
    slice->end = cursor->at += length;
    return true;
}

/* ---- crc32c.c. Kernel 0 is the portable one and the oracle of the others; 1 = SSE4.2, 2 = ARMv8 CRC. */
enum { WF_CRC_PORTABLE = 0, WF_CRC_SSE42 = 1, WF_CRC_ARM = 2 };

bool wf_crc32c_available(int kernel);
uint32_t wf_crc32c_with(int kernel, uint32_t crc, const uint8_t *data, size_t length); /* kernel must be available */
uint32_t wf_crc32c(uint32_t crc, const uint8_t *data, size_t length);                  /* the fastest available */

/* ---- io.c */
/* Reads `length` bytes at `offset`; *got < length only at the end of the file. */
int wf_pread_full(int fd, uint8_t *buffer, size_t length, uint64_t offset, size_t *got);
/* The size of a regular file; EINVAL for anything else. */
int wf_regular_size(int fd, uint64_t *size);

/* One byte a page of `length` bytes (not 0) from `offset` (a multiple of the page size) on: 1 where the page cache
 * holds it, by cachestat(2) and mincore(2). Whoever may neither write the file nor owns it is told 1 for all. */
int wf_resident_pages(int fd, uint64_t offset, size_t length, uint8_t *pages);

/* ---- log_reader.c: logical records of a MANIFEST or a WAL. */
enum { WF_LOG_BLOCK = 32768, WF_LOG_CHUNK = 1 << 20 };

struct wf_log {
    /* set by the caller before wf_log_open, everything else zero */
    int fd;
    bool wal;            /* metadata records and recyclable records exist; zeros at the end are no damage */
    uint32_t log_number; /* low 32 bits of a WAL's own number */
    size_t keep;         /* at most so many bytes of a record are kept; the rest is checked and dropped */
    uint64_t max_record; /* longer records are refused */

    uint64_t end;      /* bytes that are read, fixed by wf_log_open: a growing file cannot hold the reader for ever */
    uint64_t position; /* of the next record header */
    uint8_t *buffer;   /* WF_LOG_CHUNK bytes, filled from block boundaries on: no fragment crosses two fillings */
    uint64_t buffer_start;
    size_t buffer_length;

    uint8_t *scratch; /* the record being put together */
    size_t scratch_size, scratch_capacity;
    bool pending;
    uint64_t pending_length, pending_start;

    bool recyclable; /* a recyclable header was seen */
    bool plain_data; /* a data record without log number was seen */
    bool any_data;
    bool compressed;

    /* the verdict, once wf_log_next has said that there is no record */
    int state;
    const char *problem; /* "checksum mismatch in the record" or so, NULL = none */
    uint64_t problem_at;
};

struct wf_record {
    bool data;            /* false: a metadata record, already interpreted as far as needed */
    const uint8_t *bytes; /* min(length, keep) bytes; valid until the next call */
    uint64_t length;
    uint64_t start, end; /* in the file */
};

/* Begins at `start`, which must be where a record ended, and stops at `limit` (or the end of the file if negative). */
int wf_log_open(struct wf_log *log, uint64_t start, int64_t limit);
/* 0 with *found = true and a record, or *found = false and the verdict in `log`. */
int wf_log_next(struct wf_log *log, struct wf_record *record, bool *found);
void wf_log_close(struct wf_log *log); /* frees the buffers, leaves the descriptor open */

/* ---- version_edit.c: a pull decoder for one version edit. It keeps nothing and allocates nothing. */
enum wf_op_kind {
    WF_OP_END,          /* the edit is decoded to its end */
    WF_OP_BAD,          /* undecodable; edit->problem says what */
    WF_OP_TABLE_DROP,   /* number, level */
    WF_OP_TABLE_ADD,    /* number, level, size, blob, path */
    WF_OP_BLOB_ADD,     /* number, count, bytes */
    WF_OP_BLOB_GARBAGE, /* number, count, bytes */
    WF_OP_WAL_ADD,      /* number, size (UINT64_MAX: not synced) */
    WF_OP_KINDS
};

struct wf_op {
    enum wf_op_kind kind;
    uint32_t level, path;
    uint64_t number, size, blob, count, bytes;
};

struct wf_edit {
    uint32_t family;
    uint32_t remaining; /* edits that follow in the atomic group */
    bool in_group, family_add, family_drop;
    bool has_log, has_prev_log, has_next_file, has_last_sequence, has_min_log, has_comparator, has_db_id;
    uint64_t log, prev_log, next_file, last_sequence, min_log;
    uint64_t wal_floor;                              /* WALs below are deleted; 0 = says nothing */
    struct wf_cursor family_name, comparator, db_id; /* point into the record */
    size_t ops[WF_OP_KINDS];                         /* how many of each kind */
    const char *problem;
    uint32_t problem_tag;
};

/* Decodes up to the next operation and stores the scalars that it passes in `edit` (zeroed by the caller before the
 * first call). */
enum wf_op_kind wf_edit_next(struct wf_cursor *cursor, struct wf_edit *edit, struct wf_op *op);
/* Decodes a whole edit; false = undecodable. */
bool wf_edit_scan(const uint8_t *bytes, size_t length, struct wf_edit *edit);

/* ---- file_map.c: open addressing, linear probing, removal by shifting back (no tombstones: a MANIFEST adds and
 * removes for ever). */
enum { WF_TABLE_SIZE = 0, WF_TABLE_BLOB = 1, WF_TABLE_LEVEL = 2, WF_TABLE_PATH = 3 };
enum { WF_BLOB_COUNT = 0, WF_BLOB_BYTES = 1, WF_BLOB_GARBAGE_COUNT = 2, WF_BLOB_GARBAGE_BYTES = 3 };

struct wf_entry {
    uint64_t number;
    uint64_t v[4];
    uint32_t owner; /* 0 = free slot */
};

struct wf_map {
    struct wf_entry *slots;
    size_t capacity; /* power of two, or 0 */
    size_t used;
};

struct wf_entry *wf_map_find(const struct wf_map *map, uint32_t owner, uint64_t number);
/* So that a search a little later does not wait for memory. */
void wf_map_prefetch(const struct wf_map *map, uint32_t owner, uint64_t number);
bool wf_map_full(const struct wf_map *map); /* the next insertion needs wf_map_grow first */
/* Moves what `dead` does not condemn to a table that has room for more; ENOMEM leaves the map as it is. */
int wf_map_grow(struct wf_map *map, bool (*dead)(const void *context, const struct wf_entry *entry),
                const void *context);
void wf_map_insert(struct wf_map *map, const struct wf_entry *entry); /* not full, key not there */
void wf_map_remove(struct wf_map *map, struct wf_entry *entry);

/* ---- manifest_state.c, manifest_undo.c: what the edits so far amount to. A unit (an edit or an atomic group) is
 * applied whole or not at all. */
struct wf_family {
    uint32_t id;
    /* DROPPED: by the unit that is not committed yet */
    enum { WF_FAMILY_LIVE, WF_FAMILY_DROPPED, WF_FAMILY_DEAD } life;
    uint64_t log;
    uint8_t *name, *comparator; /* owned; may be NULL when empty */
    size_t name_length, comparator_length;
};

enum wf_map_id { WF_TABLES, WF_BLOBS, WF_WALS, WF_FAMILY_IDS, WF_MAPS };

struct wf_undo {
    enum { WF_UNDO_INSERT, WF_UNDO_REMOVE, WF_UNDO_CHANGE, WF_UNDO_DROP, WF_UNDO_COMPARATOR, WF_UNDO_LOG } kind;
    enum wf_map_id map;
    struct wf_entry entry;
    uint8_t *bytes; /* WF_UNDO_COMPARATOR: the former one, owned */
};

struct wf_scalars {
    uint64_t last_sequence, next_file, prev_log, min_log, wal_floor;
    uint8_t *db_id; /* owned; NULL = never set */
    size_t db_id_length;
    size_t families; /* length of the array: families are appended, never moved */
};

struct wf_state {
    struct wf_map maps[WF_MAPS];
    /* The owner of a file's entry is its family's index + 1, so dropping the family kills all its files at once. */
    struct wf_family *families;
    size_t families_capacity;
    struct wf_scalars now, committed;
    struct wf_undo *undo;
    size_t undo_length, undo_capacity;
};

int wf_state_init(struct wf_state *state);
void wf_state_free(struct wf_state *state);
/* Applies one decoded edit on top of what the unit did so far. *problem is set, and 0 returned, if the edit contradicts
 * the state. */
int wf_state_apply(struct wf_state *state, const uint8_t *bytes, size_t length, const struct wf_edit *edit,
                   const char **problem, uint64_t *problem_number);
void wf_state_commit(struct wf_state *state);
void wf_state_rollback(struct wf_state *state);

/* ---- manifest_list.c: sorted listings, allocated for the caller (free()). */
struct wf_listed {
    uint64_t number, size;
    uint32_t path, level, family;
    bool live;
};

int wf_list_tables(const struct wf_state *state, struct wf_listed **list, size_t *count);
int wf_list_blobs(const struct wf_state *state, struct wf_listed **list, size_t *count);
/* Only number and size, UINT64_MAX where it is unknown. */
int wf_list_wals(const struct wf_state *state, struct wf_listed **list, size_t *count);
/* The array is the caller's, its elements are not. */
int wf_list_families(const struct wf_state *state, const struct wf_family ***list, size_t *count);

/* ---- manifest.c */
struct wf_replay {
    struct wf_state state;
    uint64_t offset; /* everything before is applied */
    uint64_t edits;
    int verdict;
    char reason[WF_REASON_SIZE];
};

int wf_replay_init(struct wf_replay *replay);
void wf_replay_free(struct wf_replay *replay);
/* Reads from replay->offset on; limit < 0 = to the end of the file. After an errno the replay is valid and may be fed
 * again. */
int wf_replay_feed(struct wf_replay *replay, int fd, int64_t limit, uint64_t *applied);

/* ---- wal.c */
enum { WF_WAL_COMPRESSED = 1, WF_WAL_RECYCLABLE = 2 };

struct wf_wal {
    uint64_t complete, batches;
    bool has_sequence;
    uint64_t last_sequence;
    int state, flags;
};

int wf_wal_scan(int fd, uint64_t log_number, int64_t limit, struct wf_wal *result);

/* ---- table.c */
enum { WF_NOT_A_TABLE = -1, WF_IDENTITY_MAX = 256 };

struct wf_identity {
    int status; /* 0, an errno, or WF_NOT_A_TABLE */
    uint64_t original_number;
    size_t session_length, db_length;
    char session[WF_IDENTITY_MAX], db[WF_IDENTITY_MAX];
};

void wf_table_identity(int dirfd, const char *name, struct wf_identity *identity);

/* ---- transfer.c: single files; the batches are loops in the glue. All return 0 or an errno. */
struct wf_stat {
    uint64_t device, inode, size, links;
    int64_t mtime_ns;
};

int wf_stat_file(int dirfd, const char *name, struct wf_stat *out); /* EINVAL: not a regular file */
int wf_link_file(int from_dir, const char *from, int to_dir, const char *to);
/* The destination must not exist, gets mode 0640 and the source's mtime, is complete or gone, and is not synced. */
int wf_clone_file(int from_dir, const char *from, int to_dir, const char *to);
/* Never replaces a destination where the file system can promise that. */
int wf_rename_file(int from_dir, const char *from, int to_dir, const char *to);
int wf_unlink_file(int dirfd, const char *name);
int wf_sync_file(int dirfd, const char *name); /* also a directory */
int wf_exchange(int from_dir, const char *from, int to_dir, const char *to);
/* Of the calling thread, and of threads and processes it starts later. EINVAL: no such class (0…3) or level (0…7). */
int wf_lower_priority(int nice_value, int io_class, int io_level);

#endif
