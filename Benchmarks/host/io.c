// The guest's side of the disk benchmark: 4 KiB requests past the page cache, as many at a time as there are threads.
//
//     io DEVICE read|write sequential|random THREADS SECONDS      prints requests a second
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include <time.h>
#include <unistd.h>

enum { block = 4096 };
static int file;
static uint64_t blocks, next;
static int writes, isRandom;
static double end;
static uint64_t done;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void *loop(void *argument) {
    uint64_t state = (uintptr_t)argument * 0x9E3779B97F4A7C15u + 1, count = 0;
    void *buffer;
    if (posix_memalign(&buffer, block, block) != 0) exit(1);
    memset(buffer, 0x5A, block);
    while (now() < end) {
        uint64_t place;
        if (isRandom) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            place = state % blocks;
        } else {
            place = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % blocks;
        }
        ssize_t got = writes ? pwrite(file, buffer, block, place * block) : pread(file, buffer, block, place * block);
        if (got != block) {
            perror("request");
            exit(1);
        }
        count++;
    }
    __atomic_fetch_add(&done, count, __ATOMIC_RELAXED);
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 6) return 2;
    writes = strcmp(arguments[2], "write") == 0;
    isRandom = strcmp(arguments[3], "random") == 0;
    int threads = atoi(arguments[4]);
    uint64_t size = 0;
    file = open(arguments[1], (writes ? O_RDWR : O_RDONLY) | O_DIRECT);
    if (file < 0 || ioctl(file, BLKGETSIZE64, &size) != 0) {
        perror(arguments[1]);
        return 1;
    }
    blocks = size / block;
    double start = now();
    end = start + atof(arguments[5]);
    pthread_t thread[64];
    for (int index = 0; index < threads && index < 64; index++)
        pthread_create(&thread[index], NULL, loop, (void *)(uintptr_t)(index + 1));
    for (int index = 0; index < threads && index < 64; index++) pthread_join(thread[index], NULL);
    printf("%.0f\n", done / (now() - start));
}
