/* What all kernels share: the fixed point of TensorFlow Lite Micro, and the instructions of Arm's DSP extension.
 *
 * Every kernel is static, allocates nothing, keeps nothing between calls, and computes in integers only. Signed right
 * shifts are arithmetic, as every compiler for these cores has them.
 */
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define OCTAVO_KERNEL static __attribute__((unused))
#define OCTAVO_APART static __attribute__((noinline, unused)) /* has its registers for itself */
#define OCTAVO_ALIGNED __attribute__((aligned(4)))
#define OCTAVO_INLINE static inline __attribute__((always_inline, unused))
#else
#define OCTAVO_KERNEL static
#define OCTAVO_APART static
#define OCTAVO_ALIGNED
#define OCTAVO_INLINE static inline
#endif

#if defined(__GNUC__) && defined(__thumb2__) && defined(__ARM_FEATURE_DSP) && !defined(OCTAVO_PORTABLE)
#define OCTAVO_DSP 1
#else
#define OCTAVO_DSP 0
#endif

/* Bit 0 of the compiler's word says that there are vectors of integers. */
#if OCTAVO_DSP && defined(__ARM_FEATURE_MVE) && !defined(OCTAVO_NO_HELIUM)
#define OCTAVO_HELIUM (__ARM_FEATURE_MVE & 1)
#else
#define OCTAVO_HELIUM 0
#endif

/* Arguments of routines in assembler, which the compiler does not see being read. */
#define OCTAVO_IN_A_REGISTER __attribute__((unused))

/* round(a * b / 2^31); b is never negative, so that nothing saturates. */
OCTAVO_INLINE int32_t octavo_multiply_high(int32_t a, int32_t b) {
  return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

/* round(value / 2^bits), halves away from zero; bits 0 .. 31. */
OCTAVO_INLINE int32_t octavo_divide(int32_t value, int32_t bits) {
  const int32_t mask = (int32_t)(((uint32_t)1 << bits) - 1u);
  return (value >> bits) + ((value & mask) > (mask >> 1) + (value < 0));
}

/* value * multiplier * 2^(shift - 31), rounded twice as the reference does; a positive shift comes first and wraps. */
OCTAVO_INLINE int32_t octavo_rescale(int32_t value, int32_t multiplier, int32_t shift) {
  if (shift > 0) {
    return octavo_multiply_high((int32_t)((uint32_t)value << shift), multiplier);
  }
  return octavo_divide(octavo_multiply_high(value, multiplier), -shift);
}

OCTAVO_INLINE int32_t octavo_clamp(int32_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : value;
}

/* One of many values of eight bits, or of sixteen; and its place given another. */
OCTAVO_INLINE int32_t octavo_value(const void *values, int32_t i, int32_t bits) {
  return bits == 16 ? ((const int16_t *)values)[i] : ((const int8_t *)values)[i];
}

OCTAVO_INLINE void octavo_put_value(void *values, int32_t i, int32_t value, int32_t bits) {
  if (bits == 16) {
    ((int16_t *)values)[i] = (int16_t)value;
  } else {
    ((int8_t *)values)[i] = (int8_t)value;
  }
}

OCTAVO_INLINE int8_t octavo_saturate(int32_t value) { return (int8_t)octavo_clamp(value, -128, 127); }

/* A weight of four bits: a byte's upper half, or its lower. */
OCTAVO_INLINE int32_t octavo_nibble(int32_t byte, int upper) { return upper ? byte >> 4 : ((byte & 15) ^ 8) - 8; }

/* One of many weights of eight bits, or of four, the first in the upper half. */
OCTAVO_INLINE int32_t octavo_weight(const int8_t *weights, int32_t i, int32_t bits) {
  return bits == 4 ? octavo_nibble(weights[i / 2], i % 2 == 0) : weights[i];
}

/* The same as octavo_rescale and a zero point, of half of a number below 2^31, for right shifts of 1 and more.
 *
 * offset is 2^(shift - 1) + (zero_point << shift): the rounding of the division, and the zero point put through it.
 */
OCTAVO_INLINE int32_t octavo_scale_doubled(int32_t twice, int32_t multiplier, int32_t offset, int32_t shift) {
#if OCTAVO_DSP
  int32_t high;
  __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(twice), "r"(multiplier));
#else
  const int32_t high = (int32_t)(((int64_t)twice * multiplier + ((int64_t)1 << 31)) >> 32);
#endif
  return (high + (high >> 31) + offset) >> shift;
}

#if OCTAVO_DSP
OCTAVO_INLINE int8_t octavo_saturate_fast(int32_t value) {
  int32_t result;
  __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(value));
  return (int8_t)result;
}

OCTAVO_INLINE uint32_t octavo_word(const void *bytes) {
  uint32_t word;
  __builtin_memcpy(&word, bytes, sizeof word); /* one load, in a freestanding program, too */
  return word;
}

OCTAVO_INLINE void octavo_put_word(void *bytes, uint32_t word) { __builtin_memcpy(bytes, &word, sizeof word); }

/* Bytes 0 and 2, or 1 and 3, as signed halves, each added to a half of `pair`. */
OCTAVO_INLINE uint32_t octavo_even_bytes(uint32_t pair, uint32_t bytes) {
  uint32_t result;
  __asm__("sxtab16 %0, %1, %2" : "=r"(result) : "r"(pair), "r"(bytes));
  return result;
}

OCTAVO_INLINE uint32_t octavo_odd_bytes(uint32_t pair, uint32_t bytes) {
  uint32_t result;
  __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(result) : "r"(pair), "r"(bytes));
  return result;
}

/* The same alone. */
OCTAVO_INLINE uint32_t octavo_even_bytes_alone(uint32_t bytes) {
  uint32_t result;
  __asm__("sxtb16 %0, %1" : "=r"(result) : "r"(bytes));
  return result;
}

OCTAVO_INLINE uint32_t octavo_odd_bytes_alone(uint32_t bytes) {
  uint32_t result;
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(bytes));
  return result;
}

/* The low halves of two words, the first below; and the high ones. */
OCTAVO_INLINE uint32_t octavo_low_halves(uint32_t a, uint32_t b) {
  uint32_t result;
  __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(result) : "r"(a), "r"(b));
  return result;
}

OCTAVO_INLINE uint32_t octavo_high_halves(uint32_t a, uint32_t b) {
  uint32_t result;
  __asm__("pkhtb %0, %2, %1, asr #16" : "=r"(result) : "r"(a), "r"(b));
  return result;
}

/* The sum and both products of halves. */
OCTAVO_INLINE int32_t octavo_add_products(uint32_t a, uint32_t b, int32_t sum) {
  int32_t result;
  __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  return result;
}
#else
OCTAVO_INLINE int8_t octavo_saturate_fast(int32_t value) { return octavo_saturate(value); }
#endif

/* Constants of four output channels.
 *
 * scale holds, a channel: 2^-32 of twice the multiplier, as a word without sign; offset and right shift as in
 * octavo_scale_doubled; or, for wide layers, the multiplier, the zero point and the shift of octavo_rescale.
 */
typedef struct {
  int32_t bias[4];
  int32_t scale[4][3];
} octavo_channels;

OCTAVO_INLINE int8_t octavo_scaled(int32_t sum, const int32_t *scale, int32_t wide) {
  int32_t high;
  if (wide) {
    return octavo_saturate(octavo_rescale(sum, scale[0], scale[2]) + scale[1]);
  }
#if OCTAVO_DSP
  __asm__("smmlar %0, %1, %2, %1" : "=r"(high) : "r"(sum), "r"(scale[0])); /* the sum makes up for the sign */
#else
  high = octavo_multiply_high(sum, (int32_t)((uint32_t)scale[0] >> 1));
#endif
  return octavo_saturate_fast((high + (high >> 31) + scale[1]) >> scale[2]);
}

/* What a fused activation leaves; nothing to do where it leaves all of int8. */
OCTAVO_KERNEL void octavo_bound(int8_t *values, int32_t count, int32_t low, int32_t high) {
  int32_t i;
  if (low == -128 && high == 127) {
    return;
  }
  for (i = 0; i < count; i++) {
    values[i] = (int8_t)octavo_clamp(values[i], low, high);
  }
}
