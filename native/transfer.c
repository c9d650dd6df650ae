#include "walrus_native.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/ioprio.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { COPY_BUFFER = 1 << 16, COPY_STEP = 1 << 30, NEW_FILE_MODE = 0640 };

/* O_NONBLOCK: a FIFO of that name must not hold us; it means nothing for regular files. */
enum { OPEN_SOURCE = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK };

static int outcome(int result)
{
    return result == 0 ? 0 : errno;
}

static int open_at(int dirfd, const char *name, int flags, int *fd)
{
    do
        *fd = openat(dirfd, name, flags, NEW_FILE_MODE);
    while (*fd < 0 && errno == EINTR);
    return *fd >= 0 ? 0 : errno;
}

/* Linux has closed the descriptor even if it says EINTR, so closing again could hit somebody else's. */
static int close_checked(int fd)
{
    return close(fd) == 0 || errno == EINTR ? 0 : errno;
}

int wf_stat_file(int dirfd, const char *name, struct wf_stat *out)
{
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno;
    if (!S_ISREG(st.st_mode))
        return EINVAL;
    *out = (struct wf_stat){
        .device = st.st_dev,
        .inode = st.st_ino,
        .size = (uint64_t)st.st_size,
        .links = st.st_nlink,
        .mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
    };
    return 0;
}

int wf_link_file(int from_dir, const char *from, int to_dir, const char *to)
{
    return outcome(linkat(from_dir, from, to_dir, to, 0));
}

static int clone(int from, int to, const struct stat *source)
{
    (void)source;
    int result;
    do
        result = ioctl(to, FICLONE, from);
    while (result != 0 && errno == EINTR);
    return outcome(result);
}

/* copy_file_range's ways to say "not these two files". EPERM is what seccomp filters of containers answer. */
static bool is_refusal(int error)
{
    return error == EXDEV || error == ENOSYS || error == EINVAL || error == EOPNOTSUPP || error == EPERM;
}

static int write_all(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        bytes += n;
        length -= (size_t)n;
    }
    return 0;
}

/* From both descriptors' positions to the end of the source. */
static int copy_by_hand(int from, int to, uint64_t *copied)
{
    uint8_t buffer[COPY_BUFFER];
    for (;;) {
        ssize_t n = read(from, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            return 0;
        int error = write_all(to, buffer, (size_t)n);
        if (error != 0)
            return error;
        *copied += (uint64_t)n;
    }
}

static int copy(int from, int to, const struct stat *source)
{
    uint64_t copied = 0;
    for (;;) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, COPY_STEP, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && !is_refusal(errno))
            return errno;
        if (n <= 0)
            break; /* also at 0: some file systems answer so for files that do have bytes */
        copied += (uint64_t)n;
    }
    int error = copy_by_hand(from, to, &copied);
    if (error == 0 && copied < (uint64_t)source->st_size)
        error = EIO; /* truncated while we read it */
    return error;
}

static int fill_new_file(int from, int to, const struct stat *source, int (*transfer)(int, int, const struct stat *))
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, source->st_mtim};
    int error = transfer(from, to, source);
    if (error == 0)
        error = outcome(futimens(to, times));
    int close_error = close_checked(to);
    return error != 0 ? error : close_error;
}

static int new_file(int from_dir, const char *from, int to_dir, const char *to,
                    int (*transfer)(int, int, const struct stat *))
{
    struct stat source;
    int in, out, error = open_at(from_dir, from, OPEN_SOURCE, &in);
    if (error != 0)
        return error;
    error = outcome(fstat(in, &source));
    if (error == 0 && !S_ISREG(source.st_mode))
        error = EINVAL;
    if (error == 0)
        error = open_at(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, &out);
    if (error == 0) {
        error = fill_new_file(in, out, &source, transfer);
        if (error != 0)
            (void)unlinkat(to_dir, to, 0); /* the first error is the one to report */
    }
    close(in); /* only read: nothing can be lost */
    return error;
}

int wf_clone_file(int from_dir, const char *from, int to_dir, const char *to)
{
    return new_file(from_dir, from, to_dir, to, clone);
}

int wf_copy_file(int from_dir, const char *from, int to_dir, const char *to)
{
    return new_file(from_dir, from, to_dir, to, copy);
}

/* By number: older C libraries have no wrapper. */
static int rename_with(unsigned flags, int from_dir, const char *from, int to_dir, const char *to)
{
    return outcome((int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags));
}

int wf_rename_file(int from_dir, const char *from, int to_dir, const char *to)
{
    int error = rename_with(RENAME_NOREPLACE, from_dir, from, to_dir, to);
    if (error != EINVAL && error != ENOSYS)
        return error;
    return outcome(renameat(from_dir, from, to_dir, to));
}

int wf_exchange(int from_dir, const char *from, int to_dir, const char *to)
{
    return rename_with(RENAME_EXCHANGE, from_dir, from, to_dir, to);
}

int wf_unlink_file(int dirfd, const char *name)
{
    return outcome(unlinkat(dirfd, name, 0));
}

int wf_sync_file(int dirfd, const char *name)
{
    int fd, result, error = open_at(dirfd, name, OPEN_SOURCE, &fd);
    if (error != 0)
        return error;
    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    error = outcome(result);
    int close_error = close_checked(fd);
    return error != 0 ? error : close_error;
}

int wf_lower_priority(int nice_value, int io_class, int io_level)
{
    /* The macro below cuts off excess bits, which would make another class of a wrong one. */
    if (io_class < IOPRIO_CLASS_NONE || io_class > IOPRIO_CLASS_IDLE || io_level < 0 || io_level > 7)
        return EINVAL;
    if (setpriority(PRIO_PROCESS, 0, nice_value) != 0)
        return errno;
    return outcome((int)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(io_class, io_level)));
}
