/**
 * How Node runs a Beskar7 process in the embedded set-up and in the benchmark: a heap that is collected early instead
 * of one that grows to what the machine has. 320 MiB of old space serve some ten thousand hosts; larger fleets raise
 * `--max-old-space-size`.
 */
export const NODE_FLAGS = ['--max-semi-space-size=4', '--max-old-space-size=320'] as const;

/** glibc keeps an arena per thread; two are enough, and hold less. */
export const NODE_ENVIRONMENT = { MALLOC_ARENA_MAX: '2' } as const;
