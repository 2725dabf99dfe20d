"""What a model takes of a microcontroller, before it is built for one: flash, RAM, instructions and time."""
