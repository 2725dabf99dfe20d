/* MEAN, SUM, REDUCE_MAX, REDUCE_MIN along any axes. */

/* Kept and reduced dimensions, up to four each, with their steps in the input. */
typedef struct {
  int32_t kept[4], kept_step[4];
  int32_t reduced[4], reduced_step[4];
  int32_t sum_offset;
  struct {
    int32_t zero_point, multiplier, shift;
  } out;
} octavo_reduce;

#define OCTAVO_EACH_CELL(type, reduce, from, statement)                                              \
  {                                                                                                 \
    int32_t j0, j1, j2, j3;                                                                         \
    for (j0 = 0; j0 < (reduce)->reduced[0]; j0++) {                                                 \
      for (j1 = 0; j1 < (reduce)->reduced[1]; j1++) {                                               \
        for (j2 = 0; j2 < (reduce)->reduced[2]; j2++) {                                             \
          const type *cell = (from) + j0 * (reduce)->reduced_step[0] + j1 * (reduce)->reduced_step[1] + \
                               j2 * (reduce)->reduced_step[2];                                      \
          for (j3 = 0; j3 < (reduce)->reduced[3]; j3++, cell += (reduce)->reduced_step[3]) {        \
            statement;                                                                              \
          }                                                                                         \
        }                                                                                           \
      }                                                                                             \
    }                                                                                               \
  }

#define OCTAVO_EACH_RESULT(type, reduce, statement)                                                      \
  {                                                                                                      \
    int32_t i0, i1, i2, i3;                                                                              \
    for (i0 = 0; i0 < (reduce)->kept[0]; i0++) {                                                         \
      for (i1 = 0; i1 < (reduce)->kept[1]; i1++) {                                                       \
        for (i2 = 0; i2 < (reduce)->kept[2]; i2++) {                                                     \
          for (i3 = 0; i3 < (reduce)->kept[3]; i3++) {                                                   \
            const type *from = in + i0 * (reduce)->kept_step[0] + i1 * (reduce)->kept_step[1] +        \
                                 i2 * (reduce)->kept_step[2] + i3 * (reduce)->kept_step[3];              \
            statement;                                                                                   \
          }                                                                                              \
        }                                                                                                \
      }                                                                                                  \
    }                                                                                                    \
  }

OCTAVO_INLINE int32_t octavo_of_sum(const octavo_reduce *reduce, int32_t sum) {
  return octavo_rescale(sum, reduce->out.multiplier, reduce->out.shift) + reduce->out.zero_point;
}

#define OCTAVO_REDUCE_SUM(name, type, low, high)                                         \
  OCTAVO_KERNEL void name(const octavo_reduce *reduce, const type *in, type *out) {      \
    OCTAVO_EACH_RESULT(type, reduce, {                                                   \
      int32_t sum = reduce->sum_offset;                                                  \
      OCTAVO_EACH_CELL(type, reduce, from, sum += *cell)                                 \
      *out++ = (type)octavo_clamp(octavo_of_sum(reduce, sum), low, high);                \
    })                                                                                   \
  }
#define OCTAVO_REDUCE_EXTREME(name, type, first, beats)                                  \
  OCTAVO_KERNEL void name(const octavo_reduce *reduce, const type *in, type *out) {      \
    OCTAVO_EACH_RESULT(type, reduce, {                                                   \
      type best = first;                                                                 \
      OCTAVO_EACH_CELL(type, reduce, from, best = *cell beats best ? *cell : best)       \
      *out++ = best;                                                                     \
    })                                                                                   \
  }

OCTAVO_REDUCE_SUM(octavo_reduce_sum, int8_t, -128, 127)
OCTAVO_REDUCE_SUM(octavo_reduce_sum_16, int16_t, -32768, 32767)
OCTAVO_REDUCE_EXTREME(octavo_reduce_max, int8_t, -128, >)
OCTAVO_REDUCE_EXTREME(octavo_reduce_max_16, int16_t, -32768, >)
OCTAVO_REDUCE_EXTREME(octavo_reduce_min, int8_t, 127, <)
OCTAVO_REDUCE_EXTREME(octavo_reduce_min_16, int16_t, 32767, <)
