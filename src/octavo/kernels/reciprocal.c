/* Numbers between -1 and 1 in 32 bits, Q0.31: what softmaxes divide by. */

/* A product of Q0.31 numbers, and a value times a power of two that saturates. */
OCTAVO_INLINE int32_t octavo_product(int32_t a, int32_t b) {
  const int64_t product = (int64_t)a * b + ((int64_t)1 << 30);
  return (int32_t)(product >> 31);
}

OCTAVO_INLINE int32_t octavo_doubled(int32_t value, int32_t bits) {
  const int64_t grown = (int64_t)value * ((int64_t)1 << bits);
  return grown > INT32_MAX ? INT32_MAX : grown < INT32_MIN ? INT32_MIN : (int32_t)grown;
}

/* 1 / (1 + x) for x in [0, 1], Q0.31, by three steps of Newton and Raphson on 48/17 - 32/17 d. */
OCTAVO_INLINE int32_t octavo_one_over_one_plus(int32_t x) {
  const int32_t half_denominator = (int32_t)(((int64_t)x + INT32_MAX + 1) >> 1);
  int32_t i, result = 1515870810 + octavo_product(half_denominator, -1010580540);
  for (i = 0; i < 3; i++) {
    const int32_t error = ((int32_t)1 << 29) - octavo_product(half_denominator, result);
    result += octavo_doubled(octavo_product(result, error), 2);
  }
  return octavo_doubled(result, 1);
}

/* Zero bits in front of the highest one of a number above 0. */
OCTAVO_INLINE int32_t octavo_leading_zeros(uint32_t value) {
  int32_t bits = 0;
  while ((value << bits) < (uint32_t)1 << 31) {
    bits++;
  }
  return bits;
}
