#include "faults.h"

/* Here the names mean the real functions. */
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef pread
#undef fsync
#undef syscall

#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>

#define CONTROL __attribute__((visibility("default")))

/* Set through ctypes. Counters run down; the call that finds 0 fails, -1 = never. */
CONTROL long faults_allocations = -1, faults_reads = -1, faults_writes = -1;
CONTROL long faults_outstanding; /* blocks allocated and not freed */
CONTROL int faults_errno;        /* of the failing read or fsync; 0 = it transfers nothing, as at the end of a file */
CONTROL int faults_choppy;       /* every second call is interrupted, the others transfer 1000 bytes at most */
CONTROL int faults_old_kernel;   /* renameat2 does not know its flags, cachestat is not there */
static int turn;

static int counted(long *counter)
{
    return *counter >= 0 && (*counter)-- == 0;
}

static int interrupted(size_t *size)
{
    if (!faults_choppy)
        return 0;
    if (*size > 1000)
        *size = 1000;
    errno = EINTR;
    return turn++ % 2;
}

static ssize_t fail(void)
{
    errno = faults_errno;
    return faults_errno != 0 ? -1 : 0;
}

static void *allocated(void *block)
{
    faults_outstanding += block != NULL;
    return block;
}

void *faulty_malloc(size_t size)
{
    return counted(&faults_allocations) ? NULL : allocated(malloc(size));
}

void *faulty_calloc(size_t count, size_t size)
{
    return counted(&faults_allocations) ? NULL : allocated(calloc(count, size));
}

void *faulty_realloc(void *old, size_t size)
{
    if (counted(&faults_allocations))
        return NULL;
    return old == NULL ? allocated(malloc(size)) : realloc(old, size);
}

void faulty_free(void *block)
{
    faults_outstanding -= block != NULL;
    free(block);
}

ssize_t faulty_pread(int fd, void *buffer, size_t size, off_t offset)
{
    if (interrupted(&size))
        return -1;
    return counted(&faults_reads) ? fail() : pread(fd, buffer, size, offset);
}

int faulty_fsync(int fd)
{
    size_t size = 0;
    if (interrupted(&size))
        return -1;
    return counted(&faults_writes) ? (int)fail() : fsync(fd);
}

long faulty_syscall(long number, ...)
{
    va_list list;
    long args[5];
    va_start(list, number);
    for (int i = 0; i < 5; i++)
        args[i] = va_arg(list, long);
    va_end(list);
    if (faults_old_kernel && number == SYS_renameat2 && args[4] != 0) {
        errno = EINVAL;
        return -1;
    }
    if (faults_old_kernel && number == 451) { /* cachestat */
        errno = ENOSYS;
        return -1;
    }
    return syscall(number, args[0], args[1], args[2], args[3], args[4]);
}
