/*
 * kernels.c - what numerical and sorting code touches, element by element.
 *
 *   matrix:n=,order=ijk|ikj  C = A * B, n times n doubles each, row by row, one behind the other
 *                            (default: as large as fits). ijk: B goes by columns, a row further
 *                            each time; ikj: all go by rows. Each thread begins at its own row
 *   sort:item=64             a merge sort of item= bytes each, half of the memory into the other
 *                            and back: runs of a page, then of two, until all is one; then anew.
 *                            Which run gives the next item is as likely as items are left in it.
 *                            Each thread has its own part of the memory
 */
#include "workload/family.h"

#include <math.h>

/* ---- matrix --------------------------------------------------------------------------------- */

enum { MATRIX_N, MATRIX_ORDER };
enum { ORDER_IJK, ORDER_IKJ };
enum { MATRIX_A, MATRIX_B, MATRIX_C };

static uint64_t matrix_pages(uint64_t n)
{
    return (3 * n * n + WORKLOAD_WORDS - 1) / WORKLOAD_WORDS;
}

static bool matrix_fit(struct workload *workload, const struct workload_scene *scene,
                       struct workload_refusal *ret_refusal)
{
    uint64_t *n = &workload->value[MATRIX_N].number;

    if (*n == 0) {
        *n = (uint64_t)sqrt((double)scene->pages * WORKLOAD_WORDS / 3);
    }
    return matrix_pages(*n) <= scene->pages ||
           workload_refuse(ret_refusal,
                           "n=%llu: three such matrices have %llu pages, the memory has only %llu; "
                           "give less, or a larger --memory",
                           (unsigned long long)*n, (unsigned long long)matrix_pages(*n),
                           (unsigned long long)scene->pages);
}

static void matrix_begin(struct workload_stream *stream)
{
    stream->place = workload_start(stream, stream->workload->value[MATRIX_N].number);
}

static uint64_t element_page(uint64_t n, uint64_t which, uint64_t row, uint64_t column)
{
    return (which * n * n + row * n + column) / WORKLOAD_WORDS;
}

/* The innermost counter went round: the next one, and so on. */
static void matrix_advance(struct workload_stream *stream, uint64_t *inner, uint64_t *middle)
{
    const uint64_t n = stream->workload->value[MATRIX_N].number;

    stream->matrix.step = 0;
    if (++*inner == n) {
        *inner = 0;
        if (++*middle == n) {
            *middle = 0;
            stream->place = (stream->place + 1) % n;
        }
    }
}

/* For each element of the row: A and B for each k, then C. */
static void matrix_ijk(struct workload_stream *stream, struct workload_access *ret_access)
{
    const uint64_t n = stream->workload->value[MATRIX_N].number, i = stream->place;
    uint64_t *j = &stream->matrix.j, *k = &stream->matrix.k;

    switch (stream->matrix.step++) {
    case 0:
        ret_access->page = element_page(n, MATRIX_A, i, *k);
        break;
    case 1:
        ret_access->page = element_page(n, MATRIX_B, *k, *j);
        if (*k + 1 < n) {
            matrix_advance(stream, k, j);
        }
        break;
    default:
        ret_access->page = element_page(n, MATRIX_C, i, *j);
        ret_access->write = true;
        matrix_advance(stream, k, j);
    }
}

/* For each k: A, then B and C for each element of the row. */
static void matrix_ikj(struct workload_stream *stream, struct workload_access *ret_access)
{
    const uint64_t n = stream->workload->value[MATRIX_N].number, i = stream->place;
    uint64_t *j = &stream->matrix.j, *k = &stream->matrix.k;

    switch (stream->matrix.step++) {
    case 0:
        ret_access->page = element_page(n, MATRIX_A, i, *k);
        break;
    case 1:
        ret_access->page = element_page(n, MATRIX_B, *k, *j);
        break;
    default:
        ret_access->page = element_page(n, MATRIX_C, i, *j);
        ret_access->write = true;
        matrix_advance(stream, j, k);
        stream->matrix.step = *j == 0 ? 0 : 1;
    }
}

static void matrix_next(struct workload_stream *stream, struct workload_access *ret_access)
{
    ret_access->write = false;
    if (stream->workload->value[MATRIX_ORDER].number == ORDER_IJK) {
        matrix_ijk(stream, ret_access);
    } else {
        matrix_ikj(stream, ret_access);
    }
}

const struct workload_family workload_matrix = {
    .name = "matrix",
    .key = {[MATRIX_N] = {.name = "n",
                          .kind = WORKLOAD_NUMBER,
                          .wanted = "a number from 1 to 1000000",
                          .number_max = 1000000},
            [MATRIX_ORDER] = {.name = "order",
                              .kind = WORKLOAD_CHOICE,
                              .wanted = "ijk or ikj",
                              .choices = {"ijk", "ikj"}}},
    .writes = true,
    .fit = matrix_fit,
    .begin = matrix_begin,
    .next = matrix_next};

/* ---- sort ----------------------------------------------------------------------------------- */

static uint64_t items_a_page(const struct workload *workload)
{
    return WORKLOAD_WORDS * 8 / workload->value[0].number;
}

static uint64_t half_pages(const struct workload *workload)
{
    const uint64_t half = workload_part_pages(workload) / 2;

    return half > 0 ? half : 1;
}

static uint64_t items_count(const struct workload *workload)
{
    return half_pages(workload) * items_a_page(workload);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The two runs that begin at `base`. */
static void runs_begin(struct workload_stream *stream, uint64_t base)
{
    const uint64_t items = items_count(stream->workload);

    stream->place = base;
    stream->sort.left = base;
    stream->sort.left_end = stream->sort.right = least(base + stream->sort.width, items);
    stream->sort.right_end = least(base + 2 * stream->sort.width, items);
}

static void sort_begin(struct workload_stream *stream)
{
    stream->sort.width = items_a_page(stream->workload);
    runs_begin(stream, 0);
}

/* Behind the last item of two runs. */
static void sort_advance(struct workload_stream *stream)
{
    const uint64_t items = items_count(stream->workload);

    if (stream->place < items) {
        runs_begin(stream, stream->place);
        return;
    }
    stream->sort.back = !stream->sort.back;
    stream->sort.width =
        stream->sort.width * 2 < items ? stream->sort.width * 2 : items_a_page(stream->workload);
    runs_begin(stream, 0);
}

static uint64_t item_take(struct workload_stream *stream)
{
    const uint64_t left = stream->sort.left_end - stream->sort.left;
    const uint64_t right = stream->sort.right_end - stream->sort.right;

    return random_below(&stream->random, left + right) < left ? stream->sort.left++
                                                              : stream->sort.right++;
}

static void sort_next(struct workload_stream *stream, struct workload_access *ret_access)
{
    const struct workload *workload = stream->workload;
    const bool second = ret_access->write = stream->sort.taken;
    uint64_t item;

    if (!stream->sort.taken) {
        item = item_take(stream);
    } else {
        item = stream->place++;
    }
    /* From the first half into the second, or back. */
    ret_access->page =
        workload_part_page(stream, item / items_a_page(workload) +
                                       (second != stream->sort.back ? half_pages(workload) : 0));
    stream->sort.taken = !stream->sort.taken;
    if (second && stream->place == stream->sort.right_end) {
        sort_advance(stream);
    }
}

const struct workload_family workload_sort = {.name = "sort",
                                              .key = {{.name = "item",
                                                       .kind = WORKLOAD_NUMBER,
                                                       .wanted = "a number of bytes from 1 to 4096",
                                                       .number = 64,
                                                       .number_max = WORKLOAD_WORDS * 8}},
                                              .writes = true,
                                              .begin = sort_begin,
                                              .next = sort_next};
