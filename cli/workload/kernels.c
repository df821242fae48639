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

static void matrix_begin(struct workload_strand *strand)
{
    strand->place = workload_start(strand, strand->workload->value[MATRIX_N].number);
}

static uint64_t element_page(uint64_t n, uint64_t which, uint64_t row, uint64_t column)
{
    return (which * n * n + row * n + column) / WORKLOAD_WORDS;
}

/* The innermost counter went round: the next one, and so on. */
static void matrix_advance(struct workload_strand *strand, uint64_t *inner, uint64_t *middle)
{
    const uint64_t n = strand->workload->value[MATRIX_N].number;

    strand->matrix.step = 0;
    if (++*inner == n) {
        *inner = 0;
        if (++*middle == n) {
            *middle = 0;
            strand->place = (strand->place + 1) % n;
        }
    }
}

/* For each element of the row: A and B for each k, then C. */
static void matrix_ijk(struct workload_strand *strand, struct workload_access *ret_access)
{
    const uint64_t n = strand->workload->value[MATRIX_N].number, i = strand->place;
    uint64_t *j = &strand->matrix.j, *k = &strand->matrix.k;

    switch (strand->matrix.step++) {
    case 0:
        ret_access->page = element_page(n, MATRIX_A, i, *k);
        break;
    case 1:
        ret_access->page = element_page(n, MATRIX_B, *k, *j);
        if (*k + 1 < n) {
            matrix_advance(strand, k, j);
        }
        break;
    default:
        ret_access->page = element_page(n, MATRIX_C, i, *j);
        ret_access->write = true;
        matrix_advance(strand, k, j);
    }
}

/* For each k: A, then B and C for each element of the row. */
static void matrix_ikj(struct workload_strand *strand, struct workload_access *ret_access)
{
    const uint64_t n = strand->workload->value[MATRIX_N].number, i = strand->place;
    uint64_t *j = &strand->matrix.j, *k = &strand->matrix.k;

    switch (strand->matrix.step++) {
    case 0:
        ret_access->page = element_page(n, MATRIX_A, i, *k);
        break;
    case 1:
        ret_access->page = element_page(n, MATRIX_B, *k, *j);
        break;
    default:
        ret_access->page = element_page(n, MATRIX_C, i, *j);
        ret_access->write = true;
        matrix_advance(strand, j, k);
        strand->matrix.step = *j == 0 ? 0 : 1;
    }
}

static void matrix_next(struct workload_strand *strand, struct workload_access *ret_access)
{
    ret_access->write = false;
    if (strand->workload->value[MATRIX_ORDER].number == ORDER_IJK) {
        matrix_ijk(strand, ret_access);
    } else {
        matrix_ikj(strand, ret_access);
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
static void runs_begin(struct workload_strand *strand, uint64_t base)
{
    const uint64_t items = items_count(strand->workload);

    strand->place = base;
    strand->sort.left = base;
    strand->sort.left_end = strand->sort.right = least(base + strand->sort.width, items);
    strand->sort.right_end = least(base + 2 * strand->sort.width, items);
}

static void sort_begin(struct workload_strand *strand)
{
    strand->sort.width = items_a_page(strand->workload);
    runs_begin(strand, 0);
}

/* Behind the last item of two runs. */
static void sort_advance(struct workload_strand *strand)
{
    const uint64_t items = items_count(strand->workload);

    if (strand->place < items) {
        runs_begin(strand, strand->place);
        return;
    }
    strand->sort.back = !strand->sort.back;
    strand->sort.width =
        strand->sort.width * 2 < items ? strand->sort.width * 2 : items_a_page(strand->workload);
    runs_begin(strand, 0);
}

static uint64_t item_take(struct workload_strand *strand)
{
    const uint64_t left = strand->sort.left_end - strand->sort.left;
    const uint64_t right = strand->sort.right_end - strand->sort.right;

    return random_below(&strand->random, left + right) < left ? strand->sort.left++
                                                              : strand->sort.right++;
}

static void sort_next(struct workload_strand *strand, struct workload_access *ret_access)
{
    const struct workload *workload = strand->workload;
    const bool second = ret_access->write = strand->sort.taken;
    uint64_t item;

    if (!strand->sort.taken) {
        item = item_take(strand);
    } else {
        item = strand->place++;
    }
    /* From the first half into the second, or back. */
    ret_access->page =
        workload_part_page(strand, item / items_a_page(workload) +
                                       (second != strand->sort.back ? half_pages(workload) : 0));
    strand->sort.taken = !strand->sort.taken;
    if (second && strand->place == strand->sort.right_end) {
        sort_advance(strand);
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
