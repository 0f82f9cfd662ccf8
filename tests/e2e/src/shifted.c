/* Loaded into a program under test (LD_PRELOAD): its wall clock is off by OBHUT_TEST_SHIFT_S seconds. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    const char *shift = getenv("OBHUT_TEST_SHIFT_S");
    if (!failed && clock == CLOCK_REALTIME && shift)
        now->tv_sec += atol(shift);
    return failed;
}
