/*
 * touches.c - a program whose pages are known, for the recorder: `touches KIND THREADS` has each
 * thread go over 1024 pages of its own three times, a byte at a time from 64 to 64; KIND is
 * "read", "write", "read-write" (a read, then a write of each page), "fork" (the child does it),
 * "files-write" (with an empty file in place of any that it might have got from who started it).
 * Exit: the number of threads; 100: the empty file is not empty any more.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES      1024
#define PAGE_BYTES 4096
#define ROUNDS     3
#define THREADS    8

static char memory[THREADS][PAGES * PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));
static int reads, writes;

static void *touch(void *mine)
{
    volatile char *bytes = mine;

    for (int round = 0; round < ROUNDS; round++) {
        for (int at = 0; at < PAGES * PAGE_BYTES; at += 64) {
            if (reads) {
                (void)bytes[at];
            }
            if (writes) {
                bytes[at] = 1;
            }
        }
    }
    return NULL;
}

static int file_everywhere(void)
{
    const int file = memfd_create("empty", 0);

    for (int other = 3; other < 1024; other++) {
        if (other != file) {
            dup2(file, other);
        }
    }
    return file;
}

int main(int count, char *words[])
{
    const char *kind = count > 2 ? words[1] : "";
    const int threads = count > 2 ? atoi(words[2]) : 0;
    const int file = strncmp(kind, "files", 5) == 0 ? file_everywhere() : -1;
    struct stat found = {.st_size = 0};
    pthread_t thread[THREADS];

    reads = strstr(kind, "read") != NULL;
    writes = strstr(kind, "write") != NULL || strcmp(kind, "fork") == 0;
    if (strcmp(kind, "fork") == 0) {
        const pid_t child = fork();
        if (child != 0) {
            waitpid(child, NULL, 0);
            return threads;
        }
    }
    for (int i = 0; i < threads && i < THREADS; i++) {
        pthread_create(&thread[i], NULL, touch, memory[i]);
    }
    for (int i = 0; i < threads && i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    return file >= 0 && (fstat(file, &found) != 0 || found.st_size > 0) ? 100 : threads;
}
