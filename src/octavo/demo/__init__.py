"""The tour: train a small network, quantize it by every scheme, verify, explain, write it all down."""
