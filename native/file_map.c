#include "walrus_native.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_CAPACITY = 64 };

/* The finalizer of splitmix64: file numbers are consecutive, and so are the owners. */
static size_t home(const struct wf_map *map, uint32_t owner, uint64_t number)
{
    uint64_t x = number ^ (uint64_t)owner * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (size_t)(x ^ x >> 31) & (map->capacity - 1);
}

static size_t next(const struct wf_map *map, size_t i)
{
    return (i + 1) & (map->capacity - 1);
}

struct wf_entry *wf_map_find(const struct wf_map *map, uint32_t owner, uint64_t number)
{
    if (map->used == 0)
        return NULL;
    for (size_t i = home(map, owner, number); map->slots[i].owner != 0; i = next(map, i))
        if (map->slots[i].number == number && map->slots[i].owner == owner)
            return &map->slots[i];
    return NULL;
}

void wf_map_prefetch(const struct wf_map *map, uint32_t owner, uint64_t number)
{
    if (map->used != 0)
        __builtin_prefetch(&map->slots[home(map, owner, number)]);
}

bool wf_map_full(const struct wf_map *map)
{
    return map->used + 1 > map->capacity / 4 * 3;
}

void wf_map_insert(struct wf_map *map, const struct wf_entry *entry)
{
    size_t i = home(map, entry->owner, entry->number);
    while (map->slots[i].owner != 0)
        i = next(map, i);
    map->slots[i] = *entry;
    map->used++;
}

void wf_map_remove(struct wf_map *map, struct wf_entry *entry)
{
    size_t hole = (size_t)(entry - map->slots);
    for (size_t i = next(map, hole); map->slots[i].owner != 0; i = next(map, i)) {
        size_t wanted = home(map, map->slots[i].owner, map->slots[i].number);
        size_t to_hole = (hole - wanted) & (map->capacity - 1), to_here = (i - wanted) & (map->capacity - 1);
        if (to_hole < to_here) { /* its search passes the hole, so it may move there */
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole].owner = 0;
    map->used--;
}

int wf_map_grow(struct wf_map *map, bool (*dead)(const void *context, const struct wf_entry *entry),
                const void *context)
{
    size_t alive = 0, capacity = FIRST_CAPACITY;
    for (size_t i = 0; i < map->capacity; i++)
        alive += map->slots[i].owner != 0 && !dead(context, &map->slots[i]);
    /* Half full at most, so that the next growth is far away whether or not the dead made room. */
    while (capacity / 2 <= alive)
        capacity *= 2;
    struct wf_map bigger = {calloc(capacity, sizeof(struct wf_entry)), capacity, 0};
    if (bigger.slots == NULL)
        return ENOMEM;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].owner != 0 && !dead(context, &map->slots[i]))
            wf_map_insert(&bigger, &map->slots[i]);
    free(map->slots);
    *map = bigger;
    return 0;
}
