#include "walrus_native.h"

#include <errno.h>
#include <stdlib.h>

static int by_number(const void *left, const void *right)
{
    const struct wf_listed *a = left, *b = right;
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return a->family < b->family ? -1 : a->family > b->family;
}

static int by_id(const void *left, const void *right)
{
    const struct wf_family *a = *(const struct wf_family *const *)left, *b = *(const struct wf_family *const *)right;
    return a->id < b->id ? -1 : a->id > b->id;
}

static bool is_live(const struct wf_state *state, const struct wf_entry *entry)
{
    return entry->owner != 0 && state->families[entry->owner - 1].life == WF_FAMILY_LIVE;
}

static int new_list(size_t most, struct wf_listed **list, size_t *count)
{
    *count = 0;
    *list = malloc((most != 0 ? most : 1) * sizeof **list);
    return *list != NULL ? 0 : ENOMEM;
}

int wf_list_tables(const struct wf_state *state, struct wf_listed **list, size_t *count)
{
    const struct wf_map *map = &state->maps[WF_TABLES];
    int error = new_list(map->used, list, count);
    for (size_t i = 0; error == 0 && i < map->capacity; i++) {
        const struct wf_entry *entry = &map->slots[i];
        if (is_live(state, entry))
            (*list)[(*count)++] = (struct wf_listed){
                .number = entry->number,
                .size = entry->v[WF_TABLE_SIZE],
                .path = (uint32_t)entry->v[WF_TABLE_PATH],
                .level = (uint32_t)entry->v[WF_TABLE_LEVEL],
                .family = state->families[entry->owner - 1].id,
            };
    }
    if (error == 0)
        qsort(*list, *count, sizeof **list, by_number);
    return error;
}

/* The smallest linked blob file of each family (index = owner - 1), UINT64_MAX where none is; and marks in `linked`
 * (one byte per slot) the blob files that a table names as its oldest one. */
static void find_links(const struct wf_state *state, uint64_t *smallest, uint8_t *linked)
{
    const struct wf_map *tables = &state->maps[WF_TABLES], *blobs = &state->maps[WF_BLOBS];
    for (size_t i = 0; i < state->now.families; i++)
        smallest[i] = UINT64_MAX;
    for (size_t i = 0; i < tables->capacity; i++) {
        const struct wf_entry *table = &tables->slots[i];
        if (!is_live(state, table) || table->v[WF_TABLE_BLOB] == 0)
            continue;
        const struct wf_entry *blob = wf_map_find(blobs, table->owner, table->v[WF_TABLE_BLOB]);
        if (blob == NULL)
            continue;
        linked[blob - blobs->slots] = 1;
        if (blob->number < smallest[table->owner - 1])
            smallest[table->owner - 1] = blob->number;
    }
}

/* VersionBuilder::SaveBlobFilesTo and AddBlobFileIfNeeded: a value may lie in any blob file from the oldest linked one
 * on. */
int wf_list_blobs(const struct wf_state *state, struct wf_listed **list, size_t *count)
{
    const struct wf_map *map = &state->maps[WF_BLOBS];
    uint64_t *smallest = malloc(state->now.families * sizeof *smallest + 1);
    uint8_t *linked = calloc(map->capacity + 1, 1);
    int error = new_list(map->used, list, count);
    if (smallest == NULL || linked == NULL)
        error = ENOMEM;
    if (error == 0)
        find_links(state, smallest, linked);
    for (size_t i = 0; error == 0 && i < map->capacity; i++) {
        const struct wf_entry *entry = &map->slots[i];
        if (!is_live(state, entry))
            continue;
        bool garbage = entry->v[WF_BLOB_GARBAGE_COUNT] >= entry->v[WF_BLOB_COUNT] && !linked[i];
        (*list)[(*count)++] = (struct wf_listed){
            .number = entry->number,
            .size = entry->v[WF_BLOB_BYTES],
            .family = state->families[entry->owner - 1].id,
            .live = entry->number >= smallest[entry->owner - 1] && smallest[entry->owner - 1] != UINT64_MAX && !garbage,
        };
    }
    if (error == 0)
        qsort(*list, *count, sizeof **list, by_number);
    free(smallest);
    free(linked);
    return error;
}

int wf_list_wals(const struct wf_state *state, struct wf_listed **list, size_t *count)
{
    const struct wf_map *map = &state->maps[WF_WALS];
    int error = new_list(map->used, list, count);
    for (size_t i = 0; error == 0 && i < map->capacity; i++)
        if (map->slots[i].owner != 0 && map->slots[i].number >= state->now.wal_floor)
            (*list)[(*count)++] = (struct wf_listed){.number = map->slots[i].number, .size = map->slots[i].v[0]};
    if (error == 0)
        qsort(*list, *count, sizeof **list, by_number);
    return error;
}

int wf_list_families(const struct wf_state *state, const struct wf_family ***list, size_t *count)
{
    *count = 0;
    *list = malloc((state->now.families + 1) * sizeof **list);
    if (*list == NULL)
        return ENOMEM;
    for (size_t i = 0; i < state->now.families; i++)
        if (state->families[i].life == WF_FAMILY_LIVE)
            (*list)[(*count)++] = &state->families[i];
    qsort(*list, *count, sizeof **list, by_id);
    return 0;
}
