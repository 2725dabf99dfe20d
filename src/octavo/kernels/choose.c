/* ARG_MAX, ARG_MIN: places of extremes along a dimension. SELECT_V2: one of two tensors, place by place. */

typedef struct {
  int32_t outer, count, inner; /* dimensions in front of the one that is searched, its own, those behind */
} octavo_search;

/* Of equal values the first counts; sign is 1 for the largest, -1 for the smallest. */
OCTAVO_INLINE void octavo_search_for(const octavo_search *search, const int8_t *in, int32_t *out, int32_t sign) {
  int32_t i, j, k;
  for (i = 0; i < search->outer; i++, in += search->count * search->inner) {
    for (k = 0; k < search->inner; k++) {
      int32_t best = 0;
      for (j = 1; j < search->count; j++) {
        if (sign * in[j * search->inner + k] > sign * in[best * search->inner + k]) {
          best = j;
        }
      }
      *out++ = best;
    }
  }
}

OCTAVO_KERNEL void octavo_arg_max(const octavo_search *search, const int8_t *in, int32_t *out) {
  octavo_search_for(search, in, out, 1);
}

OCTAVO_KERNEL void octavo_arg_min(const octavo_search *search, const int8_t *in, int32_t *out) {
  octavo_search_for(search, in, out, -1);
}

/* Sizes of four dimensions, and each operand's step along them, 0 where it stretches. */
typedef struct {
  int32_t size[4];
  int32_t condition_step[4], a_step[4], b_step[4];
} octavo_select;

OCTAVO_INLINE int32_t octavo_place(const int32_t *step, int32_t i0, int32_t i1, int32_t i2, int32_t i3) {
  return i0 * step[0] + i1 * step[1] + i2 * step[2] + i3 * step[3];
}

OCTAVO_INLINE void octavo_select_of(const octavo_select *select, const int8_t *condition, const void *a, const void *b,
                                    void *out, int32_t bits) {
  int32_t i0, i1, i2, i3, place = 0;
  for (i0 = 0; i0 < select->size[0]; i0++) {
    for (i1 = 0; i1 < select->size[1]; i1++) {
      for (i2 = 0; i2 < select->size[2]; i2++) {
        for (i3 = 0; i3 < select->size[3]; i3++) {
          const int first = condition[octavo_place(select->condition_step, i0, i1, i2, i3)] != 0;
          const int32_t from = octavo_place(first ? select->a_step : select->b_step, i0, i1, i2, i3);
          octavo_put_value(out, place++, octavo_value(first ? a : b, from, bits), bits);
        }
      }
    }
  }
}

OCTAVO_KERNEL void octavo_select_8(const octavo_select *select, const int8_t *condition, const int8_t *a,
                                   const int8_t *b, int8_t *out) {
  octavo_select_of(select, condition, a, b, out, 8);
}

OCTAVO_KERNEL void octavo_select_16(const octavo_select *select, const int8_t *condition, const int16_t *a,
                                    const int16_t *b, int16_t *out) {
  octavo_select_of(select, condition, a, b, out, 16);
}
