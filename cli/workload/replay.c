/*
 * replay.c - accesses in memory, which streams play again and again.
 */
#include "workload/replay.h"

#include <stdlib.h>

#define ROOM_START 65536u

bool replay_add(struct replay *replay, uint64_t page, bool write)
{
    if (replay->count == replay->room) {
        const size_t room = replay->room != 0 ? replay->room * 2 : ROOM_START;
        uint32_t *grown =
            room <= REPLAY_COUNT_MAX ? reallocarray(replay->access, room, sizeof(*grown)) : NULL;
        if (grown == NULL) {
            return false;
        }
        replay->access = grown;
        replay->room = room;
    }
    replay->access[replay->count++] = (uint32_t)(page << 1 | write);
    return true;
}

bool replay_end(struct replay *replay)
{
    replay->parts = 1;
    replay->part_end = malloc(sizeof(*replay->part_end));
    if (replay->part_end != NULL) {
        replay->part_end[0] = replay->count;
    }
    return replay->part_end != NULL;
}

void replay_free(struct replay *replay)
{
    if (replay != NULL) {
        free(replay->access);
        free(replay->part_end);
        free(replay);
    }
}

/* Threads that share a part start evenly spread over it. */
void replay_begin(struct workload_strand *strand)
{
    const struct workload *workload = strand->workload;
    const struct replay *replay = workload->replay;
    const uint32_t part = strand->thread % replay->parts;
    const uint32_t sharers = (workload->threads - part + replay->parts - 1) / replay->parts;

    strand->replay.begin = part > 0 ? replay->part_end[part - 1] : 0;
    strand->replay.end = replay->part_end[part];
    const uint64_t length = strand->replay.end - strand->replay.begin;
    strand->place = strand->replay.begin + (uint64_t)((unsigned __int128)length *
                                                      (strand->thread / replay->parts) / sharers);
}

void replay_next(struct workload_strand *strand, struct workload_access *ret_access)
{
    const uint32_t access = strand->workload->replay->access[strand->place];

    ret_access->page = access >> 1;
    ret_access->write = (access & 1) != 0;
    if (++strand->place == strand->replay.end) {
        strand->place = strand->replay.begin;
    }
}
