/*
 * places.h - what an address in an assembly is, in words.
 */
#ifndef MM_SIM_PLACES_H
#define MM_SIM_PLACES_H

#include "sim/assembly.h"

#define PLACE_BYTES 64

/* The cache line at `address`: the lock or the words on it. */
void place_name(const struct assembly *assembly, uintptr_t address, char ret_name[PLACE_BYTES]);

#endif
