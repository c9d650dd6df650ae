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

enum { NEW_FILE_MODE = 0640 };

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

static int clone(int from, int to)
{
    int result;
    do
        result = ioctl(to, FICLONE, from);
    while (result != 0 && errno == EINTR);
    return outcome(result);
}

static int fill_clone(int from, int to, const struct stat *source)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, source->st_mtim};
    int error = clone(from, to);
    if (error == 0)
        error = outcome(futimens(to, times));
    int close_error = close_checked(to);
    return error != 0 ? error : close_error;
}

int wf_clone_file(int from_dir, const char *from, int to_dir, const char *to)
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
        error = fill_clone(in, out, &source);
        if (error != 0)
            (void)unlinkat(to_dir, to, 0); /* the first error is the one to report */
    }
    close(in); /* only read: nothing can be lost */
    return error;
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
