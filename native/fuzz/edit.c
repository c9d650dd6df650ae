/* One version edit, without the log around it: first alone, then applied to a fresh state and taken back. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_edit edit;
    struct wf_state state;
    const char *problem;
    uint64_t number;
    watch_memory();
    bool decodable = wf_edit_scan(data, size, &edit);
    expect_memory_below(0, 0, size); /* decoding allocates nothing */
    EXPECT(decodable == (edit.problem == NULL));
    if (!decodable)
        return 0;
    touch(edit.family_name.at, (size_t)(edit.family_name.end - edit.family_name.at));
    touch(edit.comparator.at, (size_t)(edit.comparator.end - edit.comparator.at));
    touch(edit.db_id.at, (size_t)(edit.db_id.end - edit.db_id.at));
    watch_memory();
    EXPECT(wf_state_init(&state) == 0);
    size_t before[WF_MAPS];
    for (int i = 0; i < WF_MAPS; i++)
        before[i] = state.maps[i].used;
    EXPECT(wf_state_apply(&state, data, size, &edit, &problem, &number) == 0);
    wf_state_rollback(&state);
    for (int i = 0; i < WF_MAPS; i++)
        EXPECT(state.maps[i].used == before[i]);
    EXPECT(wf_state_apply(&state, data, size, &edit, &problem, &number) == 0);
    wf_state_commit(&state);
    EXPECT(wf_state_apply(&state, data, size, &edit, &problem, &number) == 0);
    wf_state_free(&state); /* with an open unit */
    expect_memory_below(65536, 256, size);
    return 0;
}
