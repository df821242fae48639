/*
 * numbers.h - numbers in and out of text: sizes, counts, ratios; thousands separators.
 *
 * Every parser takes the whole text or nothing: no sign, no space, nothing behind.
 */
#ifndef MM_CLI_NUMBERS_H
#define MM_CLI_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

bool number_parse(const char *text, uint64_t *ret_number);
/* Bytes, or a number with K, M or G behind it. */
bool size_parse(const char *text, uint64_t *ret_bytes);
/* 0.25, .5, 1e-05 */
bool real_parse(const char *text, double *ret_real);

#define NUMBER_TEXT_BYTES 32
/* A number from 0, as short as real_parse() makes the same of it; a whole one without exponent. */
const char *real_print(double real, char ret_text[NUMBER_TEXT_BYTES]);
/* 1,234,567 */
const char *number_print(uint64_t number, char ret_text[NUMBER_TEXT_BYTES]);
/* The shortest exact size: 256M, 12K, 100. */
const char *size_print(uint64_t bytes, char ret_text[NUMBER_TEXT_BYTES]);

#endif
