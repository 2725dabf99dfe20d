"""What a model needs of a microcontroller: memory, and an emulated one to run it on."""
