/* A table file: the footer, the metaindex block, the properties block. */
#include "fuzz.h"

#include <fcntl.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[64];
    struct wf_identity identity;
    int fd = file_of(data, size);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    watch_memory();
    wf_table_identity(AT_FDCWD, name, &identity);
    expect_memory_below(64, 1, size);
    EXPECT(identity.status == 0 || identity.status == WF_NOT_A_TABLE);
    EXPECT(identity.session_length <= WF_IDENTITY_MAX && identity.db_length <= WF_IDENTITY_MAX);
    touch((const uint8_t *)identity.db, identity.db_length);
    if (identity.status == 0) /* it becomes part of a file name */
        for (size_t i = 0; i < identity.session_length; i++)
            EXPECT(strchr("/.\n%", identity.session[i]) == NULL && identity.session[i] != '\0');
    close(fd);
    return 0;
}
