/*
 * numbers.c - numbers in and out of text.
 */
#include "numbers.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits up to the first other character; false without digits and past 2^64 - 1. */
static bool digits_parse(const char *text, uint64_t *ret_number, const char **ret_rest)
{
    uint64_t number = 0;

    if (*text < '0' || *text > '9') {
        return false;
    }
    for (; *text >= '0' && *text <= '9'; text++) {
        if (__builtin_mul_overflow(number, (uint64_t)10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number)) {
            return false;
        }
    }
    *ret_number = number;
    *ret_rest = text;
    return true;
}

bool number_parse(const char *text, uint64_t *ret_number)
{
    uint64_t number;
    const char *rest;

    if (!digits_parse(text, &number, &rest) || *rest != '\0') {
        return false;
    }
    *ret_number = number;
    return true;
}

bool size_parse(const char *text, uint64_t *ret_bytes)
{
    uint64_t number, unit = 1;
    const char *rest;

    if (!digits_parse(text, &number, &rest)) {
        return false;
    }
    switch (*rest) {
    case 'K':
    case 'k':
        unit = (uint64_t)1 << 10;
        break;
    case 'M':
    case 'm':
        unit = (uint64_t)1 << 20;
        break;
    case 'G':
    case 'g':
        unit = (uint64_t)1 << 30;
        break;
    default:
        break;
    }
    rest += unit > 1;
    if (*rest != '\0' || __builtin_mul_overflow(number, unit, &number)) {
        return false;
    }
    *ret_bytes = number;
    return true;
}

bool real_parse(const char *text, double *ret_real)
{
    char *end;

    /* strtod() alone would also take signs, "inf", "nan" and hexadecimal numbers. */
    if (*text == '\0' || *text == '+' || *text == '-' ||
        strspn(text, "0123456789.e+-") != strlen(text)) {
        return false;
    }
    errno = 0;
    const double real = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0) {
        return false;
    }
    *ret_real = real;
    return true;
}

const char *real_print(double real, char ret_text[NUMBER_TEXT_BYTES])
{
    double again = -1;

    if (real >= 0 && real < 1e15 && floor(real) >= real) {
        snprintf(ret_text, NUMBER_TEXT_BYTES, "%.0f", real); /* not 2e+01 */
        return ret_text;
    }
    /* 17 digits are always enough; most numbers that people write need few. */
    for (int digits = 1; digits <= 17 && (again < real || again > real); digits++) {
        snprintf(ret_text, NUMBER_TEXT_BYTES, "%.*g", digits, real);
        again = strtod(ret_text, NULL);
    }
    return ret_text;
}

const char *number_print(uint64_t number, char ret_text[NUMBER_TEXT_BYTES])
{
    char reversed[NUMBER_TEXT_BYTES];
    unsigned length = 0;

    for (unsigned digits = 0; digits == 0 || number > 0; digits++) {
        if (digits > 0 && digits % 3 == 0) {
            reversed[length++] = ',';
        }
        reversed[length++] = (char)('0' + number % 10);
        number /= 10;
    }
    for (unsigned i = 0; i < length; i++) {
        ret_text[i] = reversed[length - 1 - i];
    }
    ret_text[length] = '\0';
    return ret_text;
}

const char *size_print(uint64_t bytes, char ret_text[NUMBER_TEXT_BYTES])
{
    static const char units[] = {'G', 'M', 'K'};

    for (unsigned i = 0; i < 3; i++) {
        const unsigned shift = 30 - 10 * i;
        if (bytes > 0 && bytes % ((uint64_t)1 << shift) == 0) {
            snprintf(ret_text, NUMBER_TEXT_BYTES, "%llu%c", (unsigned long long)(bytes >> shift),
                     units[i]);
            return ret_text;
        }
    }
    snprintf(ret_text, NUMBER_TEXT_BYTES, "%llu", (unsigned long long)bytes);
    return ret_text;
}
