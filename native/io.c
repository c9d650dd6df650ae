#include "walrus_native.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int wf_pread_full(int fd, uint8_t *buffer, size_t length, uint64_t offset, size_t *got)
{
    size_t done = 0;
    while (done < length) {
        ssize_t n = pread(fd, buffer + done, length - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *got = done;
    return 0;
}

int wf_regular_size(int fd, uint64_t *size)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return errno;
    if (!S_ISREG(st.st_mode))
        return EINVAL;
    *size = (uint64_t)st.st_size;
    return 0;
}

enum { CACHESTAT_CALL = 451 }; /* the same on every machine but Alpha; older headers do not name it */

struct cached_range {
    uint64_t offset, length;
};

struct cached_count {
    uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

static size_t pages_of(size_t length)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return length / page + (length % page != 0);
}

/* How many pages are cached; false where the kernel (before 6.5) or the owner of the file does not tell. */
static bool count_cached(int fd, uint64_t offset, size_t length, uint64_t *cached)
{
    struct cached_range range = {offset, length};
    struct cached_count found = {0};
    if (syscall(CACHESTAT_CALL, fd, &range, &found, 0) != 0)
        return false;
    *cached = found.cached;
    return true;
}

int wf_resident_pages(int fd, uint64_t offset, size_t length, uint8_t *pages)
{
    /* All or nothing is the rule. One call for 32 MiB that are cached: 3 us; mincore asks for each page: 400 us. */
    uint64_t cached;
    size_t count = pages_of(length);
    if (count_cached(fd, offset, length, &cached) && (cached == 0 || cached == count)) {
        memset(pages, cached != 0, count);
        return 0;
    }
    void *map = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, (off_t)offset);
    if (map == MAP_FAILED)
        return errno;
    int error = mincore(map, length, pages) == 0 ? 0 : errno;
    munmap(map, length); /* of a mapping of our own: cannot fail */
    for (size_t i = 0; error == 0 && i < count; i++)
        pages[i] &= 1; /* the other bits are reserved */
    return error;
}
