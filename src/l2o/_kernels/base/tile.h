/* The two products of a network's step, with their sums in registers.
 *
 * gcc keeps small arrays of vectors in registers but not small arrays of numbers, so these are written in the vector
 * extension of gcc and clang; other compilers get the same sums in vectors of one number. The order of every sum is
 * fixed: it depends neither on the length of a vector nor on how many runs are worked on together. */
#ifndef L2O_TILE_H
#define L2O_TILE_H
#include <stdint.h>

#define L2O_TILE 8 /* hidden units of a tile */

#if !defined(__GNUC__)
#define L2O_VECTOR_BYTES 0
#elif defined(__AVX512F__)
#define L2O_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define L2O_VECTOR_BYTES 32
#else
#define L2O_VECTOR_BYTES 16
#endif

#if defined(_MSC_VER)
#define L2O_TILE_INLINE static __forceinline
#else
#define L2O_TILE_INLINE static inline __attribute__((always_inline))
#endif

/* A loop over registers, unrolled early enough that they stay registers: a few, a constant where this is inlined. */
#if defined(__clang__)
#define L2O_EACH(i, n) _Pragma("unroll") for (int i = 0; i < n; i++)
#elif defined(__GNUC__)
#define L2O_EACH(i, n) _Pragma("GCC unroll 8") for (int i = 0; i < n; i++)
#else
#define L2O_EACH(i, n) for (int i = 0; i < n; i++)
#endif

/* Have the cache line at an address fetched while other work goes on. */
#if defined(__GNUC__)
#define L2O_PREFETCH(address) __builtin_prefetch(address)
#else
#define L2O_PREFETCH(address) ((void)(address))
#endif

#define L2O_REAL double
#define L2O_NAMED(name) name
#include "tile_products.h"
#undef L2O_REAL
#undef L2O_NAMED
#define L2O_REAL float
#define L2O_NAMED(name) name##f
#include "tile_products.h"

#endif
