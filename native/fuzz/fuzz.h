/* What the fuzz targets share. A target gets bytes that may say anything; it fails by aborting: through a sanitizer, or
 * through EXPECT. libFuzzer's driver makes the inputs (https://llvm.org/docs/LibFuzzer.html). */
#ifndef WALRUS_FUZZ_H
#define WALRUS_FUZZ_H

#include "../walrus_native.h"

#include <stdio.h>
#include <stdlib.h>

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed);

/* An anonymous file with these bytes, to be closed by the caller. */
int file_of(const uint8_t *data, size_t size);

/* Between the two, no more memory may be live at any moment than `fixed` bytes and `factor` for each byte of input: a
 * length that the input states must never be what is allocated. */
void watch_memory(void);
void expect_memory_below(size_t fixed, size_t factor, size_t input);

/* Reads every byte, so that the sanitizer sees it. */
unsigned touch(const uint8_t *bytes, size_t length);

/* Gives the records of a log the checksums of what is in them now, as far as its headers can be followed. Without
 * that, nearly every mutation would end at the first checksum. */
void reseal(uint8_t *log, size_t size, bool wal);

#endif
