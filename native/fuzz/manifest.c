/* First two bytes: where the file ended when it was read for the first time. The rest: a MANIFEST. Reading it in two
 * goes must come to what reading it in one does, whatever is in it. */
#include "fuzz.h"

#include <unistd.h>

enum { FLAGS = 2 };

static void list_everything(const struct wf_state *state)
{
    struct wf_listed *list;
    const struct wf_family **families;
    size_t count;
    int (*const listings[])(const struct wf_state *, struct wf_listed **, size_t *) = {wf_list_tables, wf_list_blobs,
                                                                                    wf_list_wals};
    for (size_t i = 0; i < sizeof listings / sizeof listings[0]; i++) {
        EXPECT(listings[i](state, &list, &count) == 0);
        for (size_t j = 1; j < count; j++)
            EXPECT(list[j - 1].number <= list[j].number);
        free(list);
    }
    EXPECT(wf_list_families(state, &families, &count) == 0);
    for (size_t i = 0; i < count; i++) {
        touch(families[i]->name, families[i]->name_length);
        touch(families[i]->comparator, families[i]->comparator_length);
    }
    free(families);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < FLAGS)
        return 0;
    size_t length = size - FLAGS;
    int64_t first = data[0] | data[1] << 8;
    int fd = file_of(data + FLAGS, length);
    struct wf_replay once, twice;
    uint64_t applied;
    watch_memory();
    EXPECT(wf_replay_init(&once) == 0);
    EXPECT(wf_replay_feed(&once, fd, -1, &applied) == 0);
    EXPECT(once.offset <= length && applied == once.edits);
    list_everything(&once.state);
    EXPECT(strlen(once.reason) < sizeof once.reason && (once.verdict != WF_CLEAN) == (once.reason[0] != '\0'));
    EXPECT(wf_replay_init(&twice) == 0);
    EXPECT(wf_replay_feed(&twice, fd, first, &applied) == 0);
    EXPECT(twice.offset <= (uint64_t)first);
    EXPECT(wf_replay_feed(&twice, fd, -1, &applied) == 0);
    EXPECT(twice.offset == once.offset && twice.edits == once.edits && twice.verdict == once.verdict);
    EXPECT(strcmp(twice.reason, once.reason) == 0);
    for (int i = 0; i < WF_MAPS; i++)
        EXPECT(twice.state.maps[i].used == once.state.maps[i].used || i == WF_TABLES || i == WF_BLOBS || i == WF_WALS);
    wf_replay_free(&once);
    wf_replay_free(&twice);
    /* An operation of four bytes takes a slot of a map and an undo note, and both double as they grow. */
    expect_memory_below(WF_LOG_CHUNK + 65536, 256, length);
    close(fd);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, capacity);
    if (seed % 8 != 0 && size > FLAGS)
        reseal(data + FLAGS, size - FLAGS, false);
    return size;
}
