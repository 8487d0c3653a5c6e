/* A wall clock that is wrong, for any program that is linked dynamically: preloaded, it answers for CLOCK_REALTIME.
 *
 * How wrong stands in the file that REPRISE_CLOCK names, mapped once and read at every call (struct clock below; the harness
 * writes it, cluster/worlds/host/clock_library.py). The reading is
 *
 *     real + offset + (monotonic - since) * drift / 1,000,000
 *
 * so drift runs on the monotonic clock, which nobody sets. Waiting is not touched: relative waits never ask this clock, and
 * an absolute deadline on it, which the program took from our reading, is handed to the kernel in the kernel's own time.
 * Programs that make system calls by themselves (Go, static ones) do not see it, and file times are the kernel's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define DECADE 315360000LL

struct clock {
    uint64_t version; /* odd while it is being written */
    int64_t offset_ns;
    int64_t since_ns; /* of CLOCK_MONOTONIC: when the drift began */
    int64_t drift_ppm;
};

static const struct clock *shared;

/* The library reads the kernel's clocks through these, never through its own names. */
static int (*real_gettime)(clockid_t, struct timespec *);
static int (*real_nanosleep)(clockid_t, int, const struct timespec *, struct timespec *);
static int (*real_cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*real_mutex_timedlock)(pthread_mutex_t *, const struct timespec *);
static int (*real_sem_timedwait)(sem_t *, const struct timespec *);

__attribute__((constructor)) static void open_clock(void)
{
    if (real_gettime)
        return;
    real_nanosleep = dlsym(RTLD_NEXT, "clock_nanosleep");
    /* A plain dlsym may find the condition variables of before 2003 on x86-64. */
    real_cond_timedwait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!real_cond_timedwait)
        real_cond_timedwait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    real_mutex_timedlock = dlsym(RTLD_NEXT, "pthread_mutex_timedlock");
    real_sem_timedwait = dlsym(RTLD_NEXT, "sem_timedwait");
    const char *path = getenv("REPRISE_CLOCK");
    if (path) {
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0) {
            void *at = mmap(NULL, sizeof(struct clock), PROT_READ, MAP_SHARED, file, 0);
            if (at != MAP_FAILED)
                shared = at;
            close(file);
        }
    }
    real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
}

static int64_t kernel_ns(clockid_t which)
{
    struct timespec now;
    real_gettime(which, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

/* How far our clock is ahead of the kernel's now. */
static int64_t ahead_ns(void)
{
    struct clock seen;
    uint64_t version;
    if (!shared)
        return 0;
    do {
        version = __atomic_load_n(&shared->version, __ATOMIC_ACQUIRE);
        seen = *(const volatile struct clock *)shared;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while ((version & 1) || version != __atomic_load_n(&shared->version, __ATOMIC_RELAXED));
    if (seen.drift_ppm == 0)
        return seen.offset_ns;
    __int128 elapsed = kernel_ns(CLOCK_MONOTONIC) - seen.since_ns;
    return seen.offset_ns + (int64_t)(elapsed * seen.drift_ppm / 1000000);
}

static int is_wall(clockid_t which)
{
    return which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE || which == CLOCK_TAI;
}

static struct timespec shifted(const struct timespec *time, int64_t by_ns)
{
    int64_t all = time->tv_sec * SECOND + time->tv_nsec + by_ns;
    if (all < 0)
        all = 0;
    struct timespec result = {all / SECOND, all % SECOND};
    return result;
}

static int64_t wall_ns(void)
{
    open_clock();
    return kernel_ns(CLOCK_REALTIME) + ahead_ns();
}

int clock_gettime(clockid_t which, struct timespec *now)
{
    open_clock();
    int answer = real_gettime(which, now);
    if (answer == 0 && is_wall(which))
        *now = shifted(now, ahead_ns());
    return answer;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    int64_t ns = wall_ns();
    if (zone)
        memset(zone, 0, sizeof(struct timezone));
    now->tv_sec = ns / SECOND;
    now->tv_usec = ns % SECOND / 1000;
    return 0;
}

time_t time(time_t *now)
{
    time_t seconds = wall_ns() / SECOND;
    if (now)
        *now = seconds;
    return seconds;
}

int timespec_get(struct timespec *now, int base)
{
    if (base != TIME_UTC)
        return 0;
    clock_gettime(CLOCK_REALTIME, now);
    return base;
}

/* A deadline of ours in the kernel's time; NULL and nonsense are left to the kernel's judgement. */
static const struct timespec *kernel_deadline(const struct timespec *ours, struct timespec *room)
{
    open_clock();
    if (!ours || ours->tv_nsec < 0 || ours->tv_nsec >= SECOND)
        return ours;
    *room = shifted(ours, -ahead_ns());
    return room;
}

int clock_nanosleep(clockid_t which, int flags, const struct timespec *until, struct timespec *left)
{
    struct timespec room;
    open_clock();
    if ((flags & TIMER_ABSTIME) && is_wall(which))
        until = kernel_deadline(until, &room);
    return real_nanosleep(which, flags, until, left);
}

/* A condition may be bound to the monotonic clock. Its readings are decades away from those of a wall clock: the machine has
 * not been up for so long. */
static int is_monotonic(const struct timespec *until)
{
    return until && until->tv_sec < kernel_ns(CLOCK_MONOTONIC) / SECOND + DECADE;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    struct timespec room;
    open_clock();
    if (!is_monotonic(until))
        until = kernel_deadline(until, &room);
    return real_cond_timedwait(condition, mutex, until);
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict until)
{
    struct timespec room;
    until = kernel_deadline(until, &room);
    return real_mutex_timedlock(mutex, until);
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until)
{
    struct timespec room;
    until = kernel_deadline(until, &room);
    return real_sem_timedwait(semaphore, until);
}
