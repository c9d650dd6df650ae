#include "walrus_native.h"

#include <errno.h>
#include <stdlib.h>

enum { KEPT_UNDO = 1 << 14 };

static void forget_undo(struct wf_state *state)
{
    state->undo_length = 0;
    if (state->undo_capacity <= KEPT_UNDO)
        return;
    free(state->undo); /* the first edit of a MANIFEST holds all files, the later ones few */
    state->undo = NULL;
    state->undo_capacity = 0;
}

static void bury(struct wf_family *family)
{
    free(family->name);
    free(family->comparator);
    family->name = family->comparator = NULL;
    family->name_length = family->comparator_length = 0;
    family->life = WF_FAMILY_DEAD;
}

void wf_state_commit(struct wf_state *state)
{
    for (size_t i = 0; i < state->undo_length; i++) {
        const struct wf_undo *undo = &state->undo[i];
        if (undo->kind == WF_UNDO_COMPARATOR)
            free(undo->bytes);
        else if (undo->kind == WF_UNDO_DROP)
            bury(&state->families[undo->entry.number]);
    }
    if (state->committed.db_id != state->now.db_id)
        free(state->committed.db_id);
    state->committed = state->now;
    forget_undo(state);
}

static void take_back(struct wf_state *state, const struct wf_undo *undo)
{
    bool of_family = undo->kind >= WF_UNDO_DROP;
    struct wf_map *map = of_family ? NULL : &state->maps[undo->map];
    struct wf_family *family = of_family ? &state->families[undo->entry.number] : NULL;
    switch (undo->kind) {
    case WF_UNDO_INSERT:
        wf_map_remove(map, wf_map_find(map, undo->entry.owner, undo->entry.number));
        break;
    case WF_UNDO_REMOVE: /* there is room: at the time of the removal the map held one more */
        wf_map_insert(map, &undo->entry);
        break;
    case WF_UNDO_CHANGE:
        *wf_map_find(map, undo->entry.owner, undo->entry.number) = undo->entry;
        break;
    case WF_UNDO_DROP:
        family->life = WF_FAMILY_LIVE;
        break;
    case WF_UNDO_LOG:
        family->log = undo->entry.v[0];
        break;
    case WF_UNDO_COMPARATOR:
        free(family->comparator);
        family->comparator = undo->bytes;
        family->comparator_length = (size_t)undo->entry.v[0];
        break;
    }
}

void wf_state_rollback(struct wf_state *state)
{
    while (state->undo_length > 0)
        take_back(state, &state->undo[--state->undo_length]);
    for (size_t i = state->committed.families; i < state->now.families; i++)
        bury(&state->families[i]);
    if (state->committed.db_id != state->now.db_id)
        free(state->now.db_id);
    state->now = state->committed;
    forget_undo(state);
}

int wf_state_init(struct wf_state *state)
{
    static const uint8_t name[] = "default";
    struct wf_edit edit = {.family_add = true, .family_name = {name, name + sizeof name - 1}};
    const char *problem;
    uint64_t number;
    memset(state, 0, sizeof *state);
    int error = wf_state_apply(state, name, 0, &edit, &problem, &number);
    if (error == 0)
        wf_state_commit(state);
    else
        wf_state_free(state);
    return error;
}

void wf_state_free(struct wf_state *state)
{
    if (state->undo_length > 0)
        wf_state_rollback(state);
    for (size_t i = 0; i < state->now.families; i++)
        bury(&state->families[i]);
    for (int i = 0; i < WF_MAPS; i++)
        free(state->maps[i].slots);
    free(state->families);
    free(state->undo);
    if (state->now.db_id != state->committed.db_id)
        free(state->now.db_id);
    free(state->committed.db_id);
    memset(state, 0, sizeof *state);
}
