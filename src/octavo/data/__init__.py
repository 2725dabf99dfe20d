"""Data in every form people keep it: samples to calibrate on, labelled sets to train on and to measure by."""
