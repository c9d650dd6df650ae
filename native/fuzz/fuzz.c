#include "fuzz.h"

#include <sanitizer/allocator_interface.h>
#include <sys/mman.h>
#include <unistd.h>

static bool watching;
static size_t live, peak;

static void allocated(const volatile void *block, size_t size)
{
    (void)block;
    if (!watching)
        return;
    live += size;
    if (live > peak)
        peak = live;
}

static void freed(const volatile void *block)
{
    if (!watching || block == NULL)
        return;
    size_t size = __sanitizer_get_allocated_size(block);
    live -= size < live ? size : live; /* what was there before the watch is not counted */
}

void watch_memory(void)
{
    static bool installed;
    if (!installed)
        installed = __sanitizer_install_malloc_and_free_hooks(allocated, freed) != 0;
    EXPECT(installed);
    live = peak = 0;
    watching = true;
}

void expect_memory_below(size_t fixed, size_t factor, size_t input)
{
    watching = false;
    EXPECT(peak <= fixed + factor * input);
}

int file_of(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", 0);
    EXPECT(fd >= 0);
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, data + done, size - done);
        EXPECT(n > 0);
        done += (size_t)n;
    }
    return fd;
}

unsigned touch(const uint8_t *bytes, size_t length)
{
    unsigned sum = 0;
    for (size_t i = 0; i < length; i++)
        sum += bytes[i];
    return sum;
}

static size_t header_size(uint8_t type, bool wal)
{
    bool numbered = (type >= 5 && type <= 8) || type == 11 || type == 131;
    return wal && numbered ? 11 : 7;
}

void reseal(uint8_t *log, size_t size, bool wal)
{
    for (size_t at = 0; at + 7 <= size;) {
        size_t room = WF_LOG_BLOCK - at % WF_LOG_BLOCK;
        size_t whole = header_size(log[at + 6], wal) + log[at + 4] + ((size_t)log[at + 5] << 8);
        bool padding = room < 7 || (log[at + 4] == 0 && log[at + 5] == 0 && log[at + 6] == 0);
        if (padding) {
            at += room;
            continue;
        }
        if (whole > room || whole > size - at)
            return;
        uint32_t crc = wf_crc32c(0, log + at + 6, whole - 6);
        crc = (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
        for (int i = 0; i < 4; i++)
            log[at + (size_t)i] = (uint8_t)(crc >> 8 * i);
        at += whole;
    }
}
