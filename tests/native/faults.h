/* Put before every file of native/ by test_faults.py (-include): what can fail goes through a seam that the test
 * controls. */
#ifndef WALRUS_FAULTS_H
#define WALRUS_FAULTS_H

#include <stdlib.h>
#include <unistd.h>

void *faulty_malloc(size_t size);
void *faulty_calloc(size_t count, size_t size);
void *faulty_realloc(void *old, size_t size);
void faulty_free(void *block);
ssize_t faulty_pread(int fd, void *buffer, size_t size, off_t offset);
int faulty_fsync(int fd);
long faulty_syscall(long number, ...);

#define malloc faulty_malloc
#define calloc faulty_calloc
#define realloc faulty_realloc
#define free faulty_free
#define pread faulty_pread
#define fsync faulty_fsync
#define syscall faulty_syscall

#endif
