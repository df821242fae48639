/*
 * manager_calls.c - address space and access: the calls of memman.h, in pages for the engine.
 */
#include "manager.h"

#include "machine/soft/access.h"

#include <string.h>

/* ---- addresses ---- */

struct page_range {
    page_number first, count;
};

/* The pages that [address, address + bytes) touches; false if any is outside the space. */
static bool find_range(const mm *manager, uint64_t address, uint64_t bytes,
                       struct page_range *ret_range)
{
    uint64_t size = manager->options.memory_bytes;
    if (address < manager->base || bytes == 0 || bytes > size ||
        address - manager->base > size - bytes) {
        return false;
    }
    uint64_t offset = address - manager->base;
    uint64_t first = offset / MM_PAGE_SIZE, last = (offset + bytes - 1) / MM_PAGE_SIZE;
    *ret_range = (struct page_range){(page_number)first, (page_number)(last - first + 1)};
    return true;
}

static int space_error(enum space_result result)
{
    static const int errors[] = {
        [SPACE_DONE] = MM_OK,
        [SPACE_NO_ROOM] = MM_ERROR_SPACE,
        [SPACE_NO_REGION] = MM_ERROR_ADDRESS,
        [SPACE_LIMIT] = MM_ERROR_COMMIT_LIMIT,
        [SPACE_NOT_COMMITTED] = MM_ERROR_NOT_COMMITTED,
        [SPACE_BUSY] = MM_ERROR_BUSY,
        [SPACE_REFUSED] = MM_ERROR_UNSUPPORTED,
    };
    return errors[result];
}

static enum protection engine_protection(enum mm_protection protection)
{
    return protection == MM_READ_WRITE  ? PROTECTION_READ_WRITE
           : protection == MM_READ_ONLY ? PROTECTION_READ_ONLY
                                        : PROTECTION_NO_ACCESS;
}

/* ---- address space ---- */

/* Rights change while nobody pins, and on the Linux machine nobody copies. */
static void rights_change_begin(mm *manager)
{
    pthread_rwlock_wrlock(&manager->rights);
}

static void rights_change_end(mm *manager)
{
    pthread_rwlock_unlock(&manager->rights);
}

int mm_reserve(mm *manager, uint64_t bytes, uint64_t *ret_address)
{
    uint32_t thread;
    page_number first = 0;
    uint64_t pages = bytes / MM_PAGE_SIZE + (bytes % MM_PAGE_SIZE != 0);
    struct manager_guard guard;
    if (bytes == 0 || pages > manager->options.memory_bytes / MM_PAGE_SIZE) {
        return MM_ERROR_SPACE;
    }
    if (!manager_thread(manager, &thread)) {
        return MM_ERROR_THREADS;
    }
    manager_guard_begin(manager, &guard);
    int error = space_error(space_reserve(manager->engine, thread, (page_number)pages, &first));
    manager_guard_end(&guard);
    if (error == MM_OK) {
        *ret_address = manager->base + (uint64_t)first * MM_PAGE_SIZE;
    }
    return error;
}

int mm_release(mm *manager, uint64_t address)
{
    uint32_t thread;
    struct page_range range;
    struct manager_guard guard;
    if (!find_range(manager, address, 1, &range) || (address - manager->base) % MM_PAGE_SIZE != 0) {
        return MM_ERROR_ADDRESS;
    }
    if (!manager_thread(manager, &thread)) {
        return MM_ERROR_THREADS;
    }
    manager_guard_begin(manager, &guard);
    rights_change_begin(manager);
    int error = space_error(space_release(manager->engine, thread, range.first));
    rights_change_end(manager);
    manager_guard_end(&guard);
    return error;
}

enum range_call { CALL_COMMIT, CALL_DECOMMIT, CALL_PROTECT };

static enum space_result change_range(mm *manager, uint32_t thread, struct page_range range,
                                      enum range_call call, enum protection protection)
{
    struct engine *engine = manager->engine;
    return call == CALL_COMMIT ? space_commit(engine, thread, range.first, range.count, protection)
           : call == CALL_DECOMMIT
               ? space_decommit(engine, thread, range.first, range.count)
               : space_protect(engine, thread, range.first, range.count, protection);
}

static int call_range(mm *manager, uint64_t address, uint64_t bytes, enum range_call call,
                      enum mm_protection protection)
{
    uint32_t thread;
    struct page_range range;
    struct manager_guard guard;
    enum space_result result;
    if (!find_range(manager, address, bytes, &range)) {
        return MM_ERROR_ADDRESS;
    }
    if (!manager_thread(manager, &thread)) {
        return MM_ERROR_THREADS;
    }
    manager_guard_begin(manager, &guard);
    do { /* nobody who copies or pins waits while the page file grows */
        rights_change_begin(manager);
        result = change_range(manager, thread, range, call, engine_protection(protection));
        rights_change_end(manager);
    } while (result == SPACE_LIMIT &&
             growth_make_room(manager->engine, thread, range.first, range.count));
    manager_guard_end(&guard);
    return space_error(result);
}

int mm_commit(mm *manager, uint64_t address, uint64_t bytes, enum mm_protection protection)
{
    return call_range(manager, address, bytes, CALL_COMMIT, protection);
}

int mm_decommit(mm *manager, uint64_t address, uint64_t bytes)
{
    return call_range(manager, address, bytes, CALL_DECOMMIT, MM_NO_ACCESS);
}

int mm_protect(mm *manager, uint64_t address, uint64_t bytes, enum mm_protection protection)
{
    return call_range(manager, address, bytes, CALL_PROTECT, protection);
}

void mm_commit_info(const mm *manager, struct mm_commit_info *ret_info)
{
    struct engine *engine = manager->engine;
    uint64_t charge = PFN_FIELD(engine, charge), limit = engine_commit_limit(engine);
    *ret_info = (struct mm_commit_info){
        .charge = charge,
        .limit = limit,
        .retired = PFN_FIELD(engine, slots_retired),
        .left = limit > charge ? limit - charge : 0,
        .frames = engine->config.frames,
        .slots = engine_slots(engine),
        .reserve = growth_reserve(engine, engine_slots(engine)),
        .reserve_paged = engine_reserve(engine->config.frames),
        .slots_max = engine->config.slots,
        .growth_error = PFN_FIELD(engine, growth_error),
    };
}

/* ---- access ---- */

/* Kept out of the common access, which then needs no frame of its own. */
#define NOT_INLINE __attribute__((noinline))

static int fault_error(enum fault_result result)
{
    return result == FAULT_RESOLVED           ? MM_OK
           : result == FAULT_ACCESS_VIOLATION ? MM_ERROR_ACCESS
                                              : MM_ERROR_IN_PAGE;
}

/*
 * The Linux machine would answer a wrong access with a signal; here it becomes an error, so each
 * page is looked at, and faulted in by hand where its PTE does not let the access through.
 */
static int prepare_page(mm *manager, uint32_t thread, page_number page, bool write)
{
    pte_word word = pte_load(&manager->engine->ptes[page]);
    struct manager_guard guard;
    if (pte_form(word) == PTE_VALID && (!write || (word & PTE_BIT_WRITE))) {
        return MM_OK;
    }
    manager_guard_begin(manager, &guard);
    enum fault_result result = engine_fault(manager->engine, thread, page, write);
    manager_guard_end(&guard);
    return fault_error(result);
}

static int copy_linux(mm *manager, uint32_t thread, uint64_t address, void *bytes, size_t count,
                      bool write)
{
    char *own = bytes;
    while (count > 0) {
        uint64_t offset = address - manager->base;
        size_t step = MIN_OF(count, MM_PAGE_SIZE - offset % MM_PAGE_SIZE);
        pthread_rwlock_rdlock(&manager->rights);
        int error = prepare_page(manager, thread, (page_number)(offset / MM_PAGE_SIZE), write);
        if (error == MM_OK) {
            void *managed = (void *)(uintptr_t)address;
            copy_shared(write ? managed : own, write ? own : managed, step);
        }
        pthread_rwlock_unlock(&manager->rights);
        if (error != MM_OK) {
            return error;
        }
        address += step;
        own += step;
        count -= step;
    }
    return MM_OK;
}

static NOT_INLINE int read_any(mm *manager, uint64_t address, void *ret_bytes, size_t count)
{
    uint32_t thread;
    struct page_range range;
    if (!find_range(manager, address, count, &range)) {
        return count == 0 ? MM_OK : MM_ERROR_ADDRESS;
    }
    if (!manager_thread(manager, &thread)) {
        return MM_ERROR_THREADS;
    }
    if (manager->soft != NULL) {
        return fault_error(
            soft_read(manager->soft, thread, address - manager->base, ret_bytes, count));
    }
    return copy_linux(manager, thread, address, ret_bytes, count, false);
}

int mm_read(mm *manager, uint64_t address, void *ret_bytes, size_t count)
{
    uint32_t thread;
    if (LIKELY(count == sizeof(uint64_t) && manager->soft != NULL &&
               manager_thread_recent(manager, &thread) &&
               soft_read_word(manager->soft, thread, address - manager->base, ret_bytes))) {
        return MM_OK;
    }
    return read_any(manager, address, ret_bytes, count);
}

static NOT_INLINE int write_any(mm *manager, uint64_t address, const void *bytes, size_t count)
{
    uint32_t thread;
    struct page_range range;
    if (!find_range(manager, address, count, &range)) {
        return count == 0 ? MM_OK : MM_ERROR_ADDRESS;
    }
    if (!manager_thread(manager, &thread)) {
        return MM_ERROR_THREADS;
    }
    if (manager->soft != NULL) {
        return fault_error(
            soft_write(manager->soft, thread, address - manager->base, bytes, count));
    }
    return copy_linux(manager, thread, address, (void *)(uintptr_t)bytes, count, true);
}

int mm_write(mm *manager, uint64_t address, const void *bytes, size_t count)
{
    uint32_t thread;
    if (LIKELY(count == sizeof(uint64_t) && manager->soft != NULL &&
               manager_thread_recent(manager, &thread) &&
               soft_write_word(manager->soft, thread, address - manager->base, bytes))) {
        return MM_OK;
    }
    return write_any(manager, address, bytes, count);
}

int mm_pin(mm *manager, uint64_t address, bool write, void **ret_page)
{
    static const int errors[] = {
        [PIN_DONE] = MM_OK,
        [PIN_LIMIT] = MM_ERROR_PIN_LIMIT,
        [PIN_ACCESS_VIOLATION] = MM_ERROR_ACCESS,
        [PIN_IN_PAGE_ERROR] = MM_ERROR_IN_PAGE,
    };
    uint32_t thread;
    struct page_range range;
    struct manager_guard guard;
    frame_number frame = FRAME_NONE;
    if (!find_range(manager, address, 1, &range)) {
        return MM_ERROR_ADDRESS;
    }
    if (!manager_thread(manager, &thread)) {
        return MM_ERROR_THREADS;
    }
    manager_guard_begin(manager, &guard);
    pthread_rwlock_rdlock(&manager->rights);
    enum pin_result result = engine_pin(manager->engine, thread, range.first, write, &frame);
    pthread_rwlock_unlock(&manager->rights);
    manager_guard_end(&guard);
    if (result == PIN_DONE) {
        *ret_page = manager->soft != NULL
                        ? soft_frame(manager->soft, frame)
                        : (void *)(uintptr_t)(manager->base + (uint64_t)range.first * MM_PAGE_SIZE);
    }
    return errors[result];
}

void mm_unpin(mm *manager, uint64_t address)
{
    uint32_t thread;
    struct page_range range;
    struct manager_guard guard;
    if (find_range(manager, address, 1, &range) && manager_thread(manager, &thread)) {
        manager_guard_begin(manager, &guard);
        engine_unpin(manager->engine, thread, range.first);
        manager_guard_end(&guard);
    }
}

/* ---- pages that cannot be read ---- */

bool mm_last_error(const mm *manager, uint64_t address, uint64_t bytes,
                   struct mm_error_info *ret_info)
{
    struct page_range range = {0, manager->engine->config.pages};
    struct error_record record;
    if ((bytes > 0 && !find_range(manager, address, bytes, &range)) ||
        !errors_last(manager->engine, range.first, range.count, &record)) {
        return false;
    }
    *ret_info = (struct mm_error_info){
        .number = record.number,
        .address = manager->base + (uint64_t)record.page * MM_PAGE_SIZE,
        .slot = record.slot,
        .when_ns = record.when_ns,
        .error = -record.error,
        .retry_may_help = store_blame(record.error) != STORE_THE_SLOT,
    };
    return true;
}

int mm_retry(mm *manager, uint64_t address, uint64_t bytes)
{
    struct page_range range;
    if (!find_range(manager, address, bytes, &range)) {
        return MM_ERROR_ADDRESS;
    }
    if (manager->linux_machine != NULL) {
        linux_ask_again(manager->linux_machine, range.first, range.count);
    }
    return MM_OK;
}

int mm_prefetch(mm *manager, uint64_t address, uint64_t bytes)
{
    struct page_range range;
    if (!find_range(manager, address, bytes, &range)) {
        return MM_ERROR_ADDRESS;
    }
    prefetch_range(manager->engine, range.first, range.count);
    return MM_OK;
}

int mm_retire_frames(mm *manager, uint64_t count, uint64_t *ret_retired)
{
    uint32_t thread;
    uint64_t retired = 0;
    struct manager_guard guard;
    if (!manager_thread(manager, &thread)) {
        return MM_ERROR_THREADS;
    }
    manager_guard_begin(manager, &guard);
    while (retired < count && engine_retire(manager->engine, thread)) {
        retired++;
    }
    manager_guard_end(&guard);
    if (ret_retired != NULL) {
        *ret_retired = retired;
    }
    return retired == count ? MM_OK : MM_ERROR_COMMIT_LIMIT;
}
