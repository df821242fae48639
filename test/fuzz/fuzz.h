/*
 * fuzz.h - what a fuzz target is: one function that takes an input and ends the process by abort()
 * when it finds something wrong.
 *
 * libFuzzer calls it with inputs of its own; replay.c calls it with those of files, in any build.
 */
#ifndef MM_TEST_FUZZ_FUZZ_H
#define MM_TEST_FUZZ_FUZZ_H

#include <stddef.h>

/* Always 0. */
int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t count);

#endif
