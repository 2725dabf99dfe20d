"""Which layer, why, and what to do: a quantized network held against its float original."""
