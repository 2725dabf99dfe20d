/* UNIDIRECTIONAL_SEQUENCE_LSTM with data and h of eight bits, gates and c of sixteen; every call starts from the reset.
 *
 * i, f, o = logistic(W x + R h + b), one W, R and b each;   g = tanh(W x + R h + b)
 * c = f c + i g;   h = o tanh(c)
 */

typedef struct {
  int32_t multiplier, shift; /* of octavo_rescale */
} octavo_lstm_factor;

/* Sums of products for each unit: weights [units, inputs]; a bias, or none; to an int16 in 2^-12. */
typedef struct {
  const int8_t *weights;
  const int32_t *bias;
  octavo_lstm_factor factor;
} octavo_lstm_sums;

typedef struct {
  int32_t times, batch, features, units;
  int32_t time_step, batch_step; /* rows of data from a time to the next, and from a sequence to the next */
  int32_t zero_point, hidden_zero_point;
  octavo_lstm_sums driven[4], recurrent[4]; /* input gate, forget gate, cell gate, output gate */
  octavo_lstm_factor kept, added, shown;
  int32_t cell_shift, cell_clip; /* a step of c is 3 * 2^cell_shift positions of the table of sigmoid.c */
  int32_t low, high;             /* of h */
  const uint16_t *table;
} octavo_lstm;

OCTAVO_INLINE int32_t octavo_int16(int32_t value) { return octavo_clamp(value, -32768, 32767); }

OCTAVO_INLINE int32_t octavo_times(int32_t value, const octavo_lstm_factor *factor) {
  return octavo_rescale(value, factor->multiplier, factor->shift);
}

OCTAVO_INLINE int32_t octavo_gate_sum(const octavo_lstm_sums *sums, const int8_t *values, int32_t count,
                                      int32_t zero_point, int32_t unit) {
  const int8_t *weights = sums->weights + unit * count;
  int32_t i, sum = sums->bias != 0 ? sums->bias[unit] : 0;
  for (i = 0; i < count; i++) {
    sum += (values[i] - zero_point) * weights[i];
  }
  return octavo_int16(octavo_times(sum, &sums->factor));
}

OCTAVO_INLINE int32_t octavo_cell_position(const octavo_lstm *op, int32_t cell) {
  const int32_t shift = op->cell_shift;
  return shift >= 0 ? cell * (3 << shift) : (cell * 3 + ((int32_t)1 << (-shift - 1))) >> -shift;
}

/* scratch: 5 int16 for each unit, four gates and c; then an int8 for each, h before the first step. */
OCTAVO_KERNEL void octavo_lstm_sequences(const octavo_lstm *op, const int8_t *in, int8_t *out, void *scratch) {
  int16_t *const gates = (int16_t *)scratch, *const cells = gates + 4 * op->units;
  int8_t *const start = (int8_t *)(void *)(cells + op->units);
  int32_t b, t, unit, gate;
  for (b = 0; b < op->batch; b++) {
    const int8_t *h = start;
    for (unit = 0; unit < op->units; unit++) {
      cells[unit] = 0;
      start[unit] = (int8_t)op->hidden_zero_point;
    }
    for (t = 0; t < op->times; t++) {
      const int32_t row = b * op->batch_step + t * op->time_step;
      const int8_t *x = in + row * op->features;
      int8_t *to = out + row * op->units;
      for (unit = 0; unit < op->units; unit++) {
        for (gate = 0; gate < 4; gate++) {
          const int32_t driven = octavo_gate_sum(op->driven + gate, x, op->features, op->zero_point, unit);
          const int32_t back = octavo_gate_sum(op->recurrent + gate, h, op->units, op->hidden_zero_point, unit);
          const int32_t position = 3 * octavo_int16(driven + back); /* a step of 2^-12 is three positions */
          const int32_t value = gate == 2 ? octavo_tanh_at(op->table, position) : octavo_logistic_at(op->table, position);
          gates[4 * unit + gate] = (int16_t)value;
        }
      }
      for (unit = 0; unit < op->units; unit++) {
        const int16_t *g = gates + 4 * unit;
        const int32_t kept = octavo_int16(octavo_times(g[1] * cells[unit], &op->kept));
        const int32_t added = octavo_int16(octavo_times(g[0] * g[2], &op->added));
        const int32_t cell = octavo_clamp(octavo_int16(kept + added), -op->cell_clip, op->cell_clip);
        const int32_t shown = octavo_tanh_at(op->table, octavo_cell_position(op, cell)) * g[3];
        cells[unit] = (int16_t)cell;
        to[unit] = (int8_t)octavo_clamp(octavo_times(shown, &op->shown) + op->hidden_zero_point, op->low, op->high);
      }
      h = to;
    }
  }
}
