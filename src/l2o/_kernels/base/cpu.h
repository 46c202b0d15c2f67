/* What this CPU and its operating system can run: 0 baseline, 1 AVX2 + FMA, 2 AVX-512 as well.
 * By cpuid and xgetbv, because __builtin_cpu_supports answers 0 to everything in some toolchains. */
#ifndef L2O_CPU_H
#define L2O_CPU_H
#if defined(__x86_64__) || defined(_M_X64)
#include <stdint.h>
#if defined(_MSC_VER)
#include <intrin.h>
#include <immintrin.h>
static void l2o_cpuid(int leaf, int sub, uint32_t r[4]) { __cpuidex((int *)r, leaf, sub); }
static uint64_t l2o_xcr0(void) { return _xgetbv(0); }
#else
#include <cpuid.h>
static void l2o_cpuid(int leaf, int sub, uint32_t r[4]) { __cpuid_count(leaf, sub, r[0], r[1], r[2], r[3]); }
static uint64_t l2o_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((uint64_t)high << 32) | low;
}
#endif
#define L2O_HAS(word, bits) (((word) & (bits)) == (bits))
static int l2o_cpu_level(void)
{
    uint32_t leaf0[4], leaf1[4], leaf7[4], leaf81[4];
    l2o_cpuid(0, 0, leaf0);
    if (leaf0[0] < 7) return 0;
    l2o_cpuid(1, 0, leaf1);
    l2o_cpuid(7, 0, leaf7);
    l2o_cpuid((int)0x80000001u, 0, leaf81);
    /* FMA, MOVBE, OSXSAVE, AVX, F16C; then LZCNT: x86-64-v3 with BMI1, AVX2, BMI2 of leaf 7 */
    if (!L2O_HAS(leaf1[2], 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29) || !L2O_HAS(leaf81[2], 1u << 5)) return 0;
    uint64_t saved = l2o_xcr0(); /* registers that the operating system saves */
    if (!L2O_HAS(saved, 0x6) || !L2O_HAS(leaf7[1], 1u << 3 | 1u << 5 | 1u << 8)) return 0;
    /* AVX-512 F, DQ, CD, BW, VL: x86-64-v4 */
    return L2O_HAS(saved, 0xe6) && L2O_HAS(leaf7[1], 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31) ? 2 : 1;
}
#else
static int l2o_cpu_level(void) { return 0; }
#endif
#endif
