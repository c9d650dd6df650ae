#include "walrus_native.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* table/format.cc. Block-based tables have a 5-byte trailer (compression, checksum) behind each block, the other
 * formats none. */
#define BLOCK_TABLE_MAGIC UINT64_C(0x88e241b785f4cff7)
#define OLD_BLOCK_TABLE_MAGIC UINT64_C(0xdb4775248b80fb57)
#define PLAIN_TABLE_MAGIC UINT64_C(0x8242229663bf9564)
#define OLD_PLAIN_TABLE_MAGIC UINT64_C(0x4f3418eb7a8f13b8)
#define CUCKOO_TABLE_MAGIC UINT64_C(0x926789d0c5f17873)

enum {
    OLD_FOOTER = 48,     /* handles and magic only */
    FOOTER = 53,         /* checksum type, 40 bytes, format version, magic */
    FOOTER_VERSION = 41, /* where things lie in it */
    FOOTER_METAINDEX_SIZE = 13,
    VERSION_WITHOUT_HANDLES = 6,
    TAIL = 16384,
    TRAILER = 5,
    LARGEST_BLOCK = 64 << 20,
    KEY_KEPT = 64, /* longer than every name that is looked for */
};

static const uint8_t extended_magic[4] = {0x3e, 0x00, 0x7a, 0x00};

struct block {
    uint64_t offset, size;
};

struct table {
    int fd;
    uint64_t size, footer;
    size_t trailer;
    uint8_t tail[TAIL];
    uint64_t tail_start;
    struct block metaindex, properties;
    bool has_properties;
};

/* One entry of a block whose keys share prefixes. Only a key's first KEY_KEPT bytes are kept, its length is exact. */
struct entry {
    char key[KEY_KEPT];
    uint64_t key_length;
    struct wf_cursor value;
};

static bool is_key(const struct entry *entry, const char *name)
{
    return entry->key_length == strlen(name) && memcmp(entry->key, name, strlen(name)) == 0;
}

/* Returns 1 with an entry, 0 at the end of the block, WF_NOT_A_TABLE. */
static int next_entry(struct wf_cursor *cursor, struct entry *entry)
{
    uint32_t shared, own, value;
    if (cursor->at == cursor->end)
        return 0;
    if (!wf_varint32(cursor, &shared) || !wf_varint32(cursor, &own) || !wf_varint32(cursor, &value))
        return WF_NOT_A_TABLE;
    if (shared > entry->key_length || (uint64_t)own + value > (size_t)(cursor->end - cursor->at))
        return WF_NOT_A_TABLE;
    if (shared < KEY_KEPT) {
        size_t room = KEY_KEPT - shared;
        memcpy(entry->key + shared, cursor->at, own < room ? own : room);
    }
    entry->key_length = (uint64_t)shared + own;
    entry->value = (struct wf_cursor){cursor->at + own, cursor->at + own + value};
    cursor->at = entry->value.end;
    return 1;
}

typedef int entry_function(struct table *table, const struct entry *entry, struct wf_identity *identity);

static int each_entry(struct table *table, const uint8_t *bytes, size_t size, entry_function *take,
                      struct wf_identity *identity)
{
    if (size < 4)
        return WF_NOT_A_TABLE;
    /* The upper bits announce index forms that these blocks never have. */
    uint64_t restarts = wf_le32(bytes + size - 4);
    if (restarts >> 28 != 0 || restarts * 4 + 4 > size)
        return WF_NOT_A_TABLE;
    struct wf_cursor cursor = {bytes, bytes + size - 4 - restarts * 4};
    struct entry entry = {.key_length = 0};
    int result;
    while ((result = next_entry(&cursor, &entry)) == 1) {
        int error = take(table, &entry, identity);
        if (error != 0)
            return error;
    }
    return result;
}

static bool handle(struct wf_cursor *cursor, struct block *block)
{
    return wf_varint64(cursor, &block->offset) && wf_varint64(cursor, &block->size);
}

static int take_metaindex_entry(struct table *table, const struct entry *entry, struct wf_identity *identity)
{
    (void)identity;
    /* "rocksdb.stats" is what the first versions with properties called them. */
    if (!is_key(entry, "rocksdb.properties") && !is_key(entry, "rocksdb.stats"))
        return 0;
    struct wf_cursor value = entry->value;
    table->has_properties = true;
    return handle(&value, &table->properties) ? 0 : WF_NOT_A_TABLE;
}

static int keep_text(const struct wf_cursor *value, char *text, size_t *length)
{
    size_t size = (size_t)(value->end - value->at);
    if (size > WF_IDENTITY_MAX)
        return WF_NOT_A_TABLE;
    if (size > 0)
        memcpy(text, value->at, size);
    *length = size;
    return 0;
}

/* The session id becomes part of file names in a repository: whatever could leave a directory is refused. */
static bool is_session(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-'))
            return false;
    }
    return true;
}

static int take_property(struct table *table, const struct entry *entry, struct wf_identity *identity)
{
    (void)table;
    if (is_key(entry, "rocksdb.creating.session.identity")) {
        int error = keep_text(&entry->value, identity->session, &identity->session_length);
        return error != 0 || is_session(identity->session, identity->session_length) ? error : WF_NOT_A_TABLE;
    }
    if (is_key(entry, "rocksdb.creating.db.identity"))
        return keep_text(&entry->value, identity->db, &identity->db_length);
    if (is_key(entry, "rocksdb.original.file.number")) {
        struct wf_cursor value = entry->value;
        return wf_varint64(&value, &identity->original_number) ? 0 : WF_NOT_A_TABLE;
    }
    return 0;
}

/* Gives the block to `take` entry by entry; it is read only if it is not in the tail. RocksDB never compresses these
 * two kinds of block (WriteMaybeCompressedBlock is given kNoCompression). */
static int read_block(struct table *table, struct block block, entry_function *take, struct wf_identity *identity)
{
    uint8_t *read = NULL;
    const uint8_t *bytes;
    uint64_t whole = block.size + table->trailer;
    if (block.size > LARGEST_BLOCK || block.offset > table->footer || whole > table->footer - block.offset)
        return WF_NOT_A_TABLE;
    if (block.offset >= table->tail_start) {
        bytes = table->tail + (block.offset - table->tail_start);
    } else {
        size_t got;
        bytes = read = malloc((size_t)whole + 1);
        if (read == NULL)
            return ENOMEM;
        int error = wf_pread_full(table->fd, read, (size_t)whole, block.offset, &got);
        if (error != 0 || got < whole) {
            free(read);
            return error != 0 ? error : WF_NOT_A_TABLE;
        }
    }
    bool compressed = table->trailer != 0 && bytes[block.size] != 0;
    int result = compressed ? WF_NOT_A_TABLE : each_entry(table, bytes, (size_t)block.size, take, identity);
    free(read);
    return result;
}

static int read_footer(struct table *table)
{
    const uint8_t *end = table->tail + (table->size - table->tail_start), *start;
    uint64_t magic = wf_le64(end - 8);
    bool old = magic == OLD_BLOCK_TABLE_MAGIC || magic == OLD_PLAIN_TABLE_MAGIC;
    bool blocks = magic == BLOCK_TABLE_MAGIC || magic == OLD_BLOCK_TABLE_MAGIC;
    if (!old && !blocks && magic != PLAIN_TABLE_MAGIC && magic != CUCKOO_TABLE_MAGIC)
        return WF_NOT_A_TABLE;
    uint64_t footer_size = old ? OLD_FOOTER : FOOTER;
    if (table->size < footer_size)
        return WF_NOT_A_TABLE;
    table->trailer = blocks ? TRAILER : 0;
    table->footer = table->size - footer_size;
    start = end - footer_size;
    struct wf_cursor handles = {old ? start : start + 1, end - 8};
    if (old || wf_le32(start + FOOTER_VERSION) < VERSION_WITHOUT_HANDLES)
        return handle(&handles, &table->metaindex) ? 0 : WF_NOT_A_TABLE;
    table->metaindex.size = wf_le32(start + FOOTER_METAINDEX_SIZE);
    if (memcmp(start + 1, extended_magic, sizeof extended_magic) != 0 ||
        table->metaindex.size + table->trailer > table->footer)
        return WF_NOT_A_TABLE;
    table->metaindex.offset = table->footer - table->trailer - table->metaindex.size;
    return 0;
}

static int read_table(struct table *table, struct wf_identity *identity)
{
    size_t got;
    int result = wf_regular_size(table->fd, &table->size);
    if (result != 0)
        return result;
    if (table->size < OLD_FOOTER)
        return WF_NOT_A_TABLE;
    size_t tail = table->size < TAIL ? (size_t)table->size : TAIL;
    table->tail_start = table->size - tail;
    result = wf_pread_full(table->fd, table->tail, tail, table->tail_start, &got);
    if (result != 0 || got < tail)
        return result != 0 ? result : WF_NOT_A_TABLE;
    result = read_footer(table);
    if (result == 0)
        result = read_block(table, table->metaindex, take_metaindex_entry, identity);
    if (result == 0 && table->has_properties)
        result = read_block(table, table->properties, take_property, identity);
    return result;
}

void wf_table_identity(int dirfd, const char *name, struct wf_identity *identity)
{
    struct table table;
    memset(&table, 0, offsetof(struct table, tail));
    table.has_properties = false;
    identity->session_length = identity->db_length = 0;
    identity->original_number = 0;
    /* O_NONBLOCK: a FIFO of that name must not hold us. Descriptors that pin a file are links by nature:
     * /proc/<pid>/fd/<n>. */
    int no_follow = strncmp(name, "/proc/", 6) == 0 ? 0 : O_NOFOLLOW;
    table.fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | no_follow | O_NONBLOCK);
    identity->status = table.fd >= 0 ? read_table(&table, identity) : errno;
    if (table.fd >= 0)
        close(table.fd); /* only read: nothing can be lost */
}
