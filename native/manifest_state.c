#include "walrus_native.h"

#include <errno.h>
#include <stdlib.h>

enum { ONLY_OWNER = 1, FIRST_FAMILIES = 8, FIRST_UNDO = 64, WINDOW = 16 };

static int copy_bytes(const struct wf_cursor *from, uint8_t **bytes, size_t *length)
{
    *length = (size_t)(from->end - from->at);
    *bytes = malloc(*length != 0 ? *length : 1);
    if (*bytes == NULL)
        return ENOMEM;
    if (*length != 0)
        memcpy(*bytes, from->at, *length);
    return 0;
}

/* Only what is committed counts: an uncommitted drop may be taken back. */
static bool file_is_dead(const void *context, const struct wf_entry *entry)
{
    const struct wf_state *state = context;
    return state->families[entry->owner - 1].life == WF_FAMILY_DEAD;
}

static bool wal_is_dead(const void *context, const struct wf_entry *entry)
{
    const struct wf_state *state = context;
    return entry->number < state->committed.wal_floor;
}

static bool never_dead(const void *context, const struct wf_entry *entry)
{
    (void)context, (void)entry;
    return false;
}

/* Room for one more undo note; what is noted afterwards cannot fail. */
static int reserve_undo(struct wf_state *state)
{
    if (state->undo_length < state->undo_capacity)
        return 0;
    size_t capacity = state->undo_capacity != 0 ? state->undo_capacity * 2 : FIRST_UNDO;
    struct wf_undo *bigger = realloc(state->undo, capacity * sizeof *bigger);
    if (bigger == NULL)
        return ENOMEM;
    state->undo = bigger;
    state->undo_capacity = capacity;
    return 0;
}

static struct wf_undo *note(struct wf_state *state, int kind, enum wf_map_id map, const struct wf_entry *entry)
{
    struct wf_undo *undo = &state->undo[state->undo_length++];
    memset(undo, 0, sizeof *undo);
    undo->kind = (unsigned)kind;
    undo->map = map;
    if (entry != NULL)
        undo->entry = *entry;
    return undo;
}

static int insert(struct wf_state *state, enum wf_map_id id, const struct wf_entry *entry)
{
    struct wf_map *map = &state->maps[id];
    int error = reserve_undo(state);
    if (error == 0 && wf_map_full(map)) {
        bool files = id == WF_TABLES || id == WF_BLOBS;
        error = wf_map_grow(map, files ? file_is_dead : id == WF_WALS ? wal_is_dead : never_dead, state);
    }
    if (error != 0)
        return error;
    note(state, WF_UNDO_INSERT, id, entry);
    wf_map_insert(map, entry);
    return 0;
}

static int remove_entry(struct wf_state *state, enum wf_map_id id, struct wf_entry *entry)
{
    int error = reserve_undo(state);
    if (error != 0)
        return error;
    note(state, WF_UNDO_REMOVE, id, entry);
    wf_map_remove(&state->maps[id], entry);
    return 0;
}

static int before_change(struct wf_state *state, enum wf_map_id id, const struct wf_entry *entry)
{
    int error = reserve_undo(state);
    if (error == 0)
        note(state, WF_UNDO_CHANGE, id, entry);
    return error;
}

/* Index of a live family, or SIZE_MAX. */
static size_t find_family(const struct wf_state *state, uint32_t id)
{
    const struct wf_entry *entry = wf_map_find(&state->maps[WF_FAMILY_IDS], ONLY_OWNER, id);
    return entry != NULL ? (size_t)entry->v[0] : SIZE_MAX;
}

static int append_family(struct wf_state *state, uint32_t id, const struct wf_cursor *name)
{
    size_t index = state->now.families;
    if (index == state->families_capacity) {
        size_t capacity = index != 0 ? index * 2 : FIRST_FAMILIES;
        struct wf_family *bigger = realloc(state->families, capacity * sizeof *bigger);
        if (bigger == NULL)
            return ENOMEM;
        state->families = bigger;
        state->families_capacity = capacity;
    }
    struct wf_family *family = &state->families[index];
    memset(family, 0, sizeof *family);
    family->id = id;
    struct wf_entry entry = {.number = id, .v = {index}, .owner = ONLY_OWNER};
    int error = copy_bytes(name, &family->name, &family->name_length);
    if (error == 0)
        error = insert(state, WF_FAMILY_IDS, &entry);
    if (error != 0)
        free(family->name);
    else
        state->now.families++;
    return error;
}

static int drop_family(struct wf_state *state, size_t index)
{
    struct wf_entry *entry = wf_map_find(&state->maps[WF_FAMILY_IDS], ONLY_OWNER, state->families[index].id);
    int error = remove_entry(state, WF_FAMILY_IDS, entry);
    if (error == 0)
        error = reserve_undo(state);
    if (error != 0)
        return error;
    struct wf_entry where = {.number = index};
    note(state, WF_UNDO_DROP, WF_MAPS, &where);
    state->families[index].life = WF_FAMILY_DROPPED;
    return 0;
}

static enum wf_map_id map_of(enum wf_op_kind kind)
{
    if (kind == WF_OP_WAL_ADD)
        return WF_WALS;
    return kind == WF_OP_TABLE_ADD || kind == WF_OP_TABLE_DROP ? WF_TABLES : WF_BLOBS;
}

/* One file operation of an existing family; as VersionBuilder does, a contradiction is corruption, not something to
 * overlook. */
static int apply_file(struct wf_state *state, uint32_t owner, const struct wf_op *op, const char **problem)
{
    enum wf_map_id id = map_of(op->kind);
    struct wf_entry *entry = wf_map_find(&state->maps[id], owner, op->number),
                    new = {.number = op->number, .owner = owner};
    int error;
    switch (op->kind) {
    case WF_OP_BLOB_ADD:
        if (entry != NULL)
            return *problem = "second addition of blob file", 0;
        new.v[WF_BLOB_COUNT] = op->count;
        new.v[WF_BLOB_BYTES] = op->bytes;
        return insert(state, id, &new);
    case WF_OP_BLOB_GARBAGE:
        if (entry == NULL)
            return *problem = "garbage of unknown blob file", 0;
        if (op->count > entry->v[WF_BLOB_COUNT] - entry->v[WF_BLOB_GARBAGE_COUNT] ||
            op->bytes > entry->v[WF_BLOB_BYTES] - entry->v[WF_BLOB_GARBAGE_BYTES])
            return *problem = "too much garbage in blob file", 0;
        error = before_change(state, id, entry);
        if (error != 0)
            return error;
        entry->v[WF_BLOB_GARBAGE_COUNT] += op->count;
        entry->v[WF_BLOB_GARBAGE_BYTES] += op->bytes;
        return 0;
    case WF_OP_TABLE_DROP:
        if (entry == NULL || entry->v[WF_TABLE_LEVEL] != op->level)
            return *problem =
                       entry == NULL ? "deletion of unknown table file" : "deletion from another level of table file",
                   0;
        return remove_entry(state, id, entry);
    default:
        if (entry != NULL)
            return *problem = "second addition of table file", 0;
        new.v[WF_TABLE_SIZE] = op->size;
        new.v[WF_TABLE_BLOB] = op->blob;
        new.v[WF_TABLE_LEVEL] = op->level;
        new.v[WF_TABLE_PATH] = op->path;
        return insert(state, id, &new);
    }
}

/* WalSet::AddWal. */
static int apply_wal(struct wf_state *state, const struct wf_op *op, const char **problem)
{
    struct wf_entry *entry = wf_map_find(&state->maps[WF_WALS], ONLY_OWNER, op->number);
    if (op->number < state->now.wal_floor)
        return 0;
    if (entry == NULL) {
        struct wf_entry new = {.number = op->number, .v = {op->size}, .owner = ONLY_OWNER};
        return insert(state, WF_WALS, &new);
    }
    if (op->size == UINT64_MAX)
        return *problem = "second addition of WAL", 0;
    if (entry->v[0] != UINT64_MAX && op->size <= entry->v[0])
        return 0; /* two syncs may be recorded in the wrong order */
    int error = before_change(state, WF_WALS, entry);
    if (error == 0)
        entry->v[0] = op->size;
    return error;
}

/* The next operations of one kind, WINDOW at most. Their places in the map are fetched meanwhile: with 100,000 files,
 * waiting for memory one file after the other was 40 % of a replay (EPYC, 272 MB: 1.8 s of CPU without, 1.0 s with this
 * window). */
static size_t take_ops(struct wf_cursor *cursor, enum wf_op_kind kind, const struct wf_map *map, uint32_t owner,
                       size_t count, struct wf_op window[WINDOW])
{
    struct wf_edit ignored = {0};
    size_t taken = 0;
    while (taken < WINDOW && taken < count) {
        enum wf_op_kind next = wf_edit_next(cursor, &ignored, &window[taken]);
        if (next == WF_OP_END || next == WF_OP_BAD)
            break;
        if (next == kind)
            wf_map_prefetch(map, owner, window[taken++].number);
    }
    return taken;
}

/* The `count` operations of one kind, in their order. */
static int apply_kind(struct wf_state *state, const uint8_t *bytes, size_t length, enum wf_op_kind kind, size_t count,
                      uint32_t owner, const char **problem, uint64_t *problem_number)
{
    struct wf_cursor cursor = {bytes, bytes + length};
    struct wf_op window[WINDOW];
    const struct wf_map *map = &state->maps[map_of(kind)];
    size_t taken;
    for (; (taken = take_ops(&cursor, kind, map, owner, count, window)) > 0; count -= taken) {
        for (size_t i = 0; i < taken; i++) {
            const struct wf_op *op = &window[i];
            int error = kind == WF_OP_WAL_ADD ? apply_wal(state, op, problem) : apply_file(state, owner, op, problem);
            if (*problem != NULL)
                *problem_number = op->number;
            if (error != 0 || *problem != NULL)
                return error;
        }
    }
    return 0;
}

static int apply_files(struct wf_state *state, const uint8_t *bytes, size_t length, const struct wf_edit *edit,
                       size_t family, const char **problem, uint64_t *problem_number)
{
    /* VersionBuilder::Apply: a file that changes its level is deleted and added in one edit. */
    static const enum wf_op_kind order[] = {WF_OP_BLOB_ADD, WF_OP_BLOB_GARBAGE, WF_OP_TABLE_DROP, WF_OP_TABLE_ADD};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        enum wf_op_kind kind = order[i];
        int error =
            apply_kind(state, bytes, length, kind, edit->ops[kind], (uint32_t)family + 1, problem, problem_number);
        if (error != 0 || *problem != NULL)
            return error;
    }
    return 0;
}

static int set_db_id(struct wf_state *state, const struct wf_cursor *id)
{
    uint8_t *bytes;
    size_t length;
    int error = copy_bytes(id, &bytes, &length);
    if (error != 0)
        return error;
    if (state->now.db_id != state->committed.db_id)
        free(state->now.db_id);
    state->now.db_id = bytes;
    state->now.db_id_length = length;
    return 0;
}

static int set_family_values(struct wf_state *state, size_t index, const struct wf_edit *edit)
{
    int error = 0;
    if (edit->has_log && edit->log > state->families[index].log) { /* RocksDB overlooks a log number that goes back */
        error = reserve_undo(state);
        if (error != 0)
            return error;
        struct wf_entry old = {.number = index, .v = {state->families[index].log}};
        note(state, WF_UNDO_LOG, WF_MAPS, &old);
        state->families[index].log = edit->log;
    }
    if (edit->has_comparator) {
        uint8_t *bytes;
        size_t length;
        error = reserve_undo(state);
        if (error == 0)
            error = copy_bytes(&edit->comparator, &bytes, &length);
        if (error != 0)
            return error;
        struct wf_family *family = &state->families[index];
        struct wf_entry old = {.number = index, .v = {family->comparator_length}};
        note(state, WF_UNDO_COMPARATOR, WF_MAPS, &old)->bytes = family->comparator;
        family->comparator = bytes;
        family->comparator_length = length;
    }
    return 0;
}

static int set_values(struct wf_state *state, const struct wf_edit *edit)
{
    struct wf_scalars *now = &state->now;
    if (edit->has_prev_log)
        now->prev_log = edit->prev_log;
    if (edit->has_next_file)
        now->next_file = edit->next_file;
    if (edit->has_last_sequence)
        now->last_sequence = edit->last_sequence;
    if (edit->has_min_log && edit->min_log > now->min_log)
        now->min_log = edit->min_log;
    return edit->has_db_id ? set_db_id(state, &edit->db_id) : 0;
}

int wf_state_apply(struct wf_state *state, const uint8_t *bytes, size_t length, const struct wf_edit *edit,
                   const char **problem, uint64_t *problem_number)
{
    size_t family = find_family(state, edit->family);
    bool unknown = family == SIZE_MAX;
    int error = 0;
    *problem = NULL;
    *problem_number = edit->family;
    /* The order of the questions, and that the first one decides, is VersionEditHandler::ApplyVersionEdit's. */
    if (edit->family_add) {
        if (!unknown)
            return *problem = "second addition of column family", 0;
        family = state->now.families;
        error = append_family(state, edit->family, &edit->family_name);
    } else if (edit->family_drop) {
        if (unknown)
            return *problem = "drop of unknown column family", 0;
        error = drop_family(state, family);
        family = SIZE_MAX;
    } else if (edit->ops[WF_OP_WAL_ADD] > 0) {
        error = apply_kind(state, bytes, length, WF_OP_WAL_ADD, edit->ops[WF_OP_WAL_ADD], ONLY_OWNER, problem,
                           problem_number);
        family = SIZE_MAX;
    } else if (edit->wal_floor != 0) {
        if (edit->wal_floor > state->now.wal_floor)
            state->now.wal_floor = edit->wal_floor;
        family = SIZE_MAX;
    } else if (unknown) {
        return *problem = "edit of unknown column family", 0;
    } else {
        error = apply_files(state, bytes, length, edit, family, problem, problem_number);
    }
    if (error == 0 && *problem == NULL && family != SIZE_MAX)
        error = set_family_values(state, family, edit);
    if (error == 0 && *problem == NULL)
        error = set_values(state, edit);
    return error;
}
