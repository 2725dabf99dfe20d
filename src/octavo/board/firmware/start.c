/* What runs before main on a bare Cortex-M, and the way out of the emulator. */
#include <stdint.h>

extern uint32_t octavo_stack_top[], octavo_data_load[], octavo_data[], octavo_data_end[], octavo_bss[], octavo_bss_end[];
int main(void);
void octavo_reset(void);
void octavo_fault(void);

/* Semihosting: an operation's number and a pointer to its arguments. */
int32_t octavo_call_host(int32_t operation, const void *arguments) {
  register int32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = arguments;
  __asm__ volatile("bkpt #0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

static void end(uint32_t code) {
  const uint32_t arguments[2] = {0x20026u /* the application ended */, code};
  (void)octavo_call_host(0x20 /* SYS_EXIT_EXTENDED */, arguments);
  for (;;) {
  }
}

void octavo_fault(void) { end(70); }

void octavo_reset(void) {
  uint32_t *from = octavo_data_load, *to;
  *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* CPACR: the FPU and the vector extension */
  for (to = octavo_data; to < octavo_data_end; to++, from++) {
    *to = *from;
  }
  for (to = octavo_bss; to < octavo_bss_end; to++) {
    *to = 0;
  }
  end((uint32_t)main());
}

typedef struct {
  uint32_t *stack;
  void (*handlers[15])(void);
} octavo_vectors;

__attribute__((section(".vectors"), used)) static const octavo_vectors vectors = {
    octavo_stack_top,
    {octavo_reset, octavo_fault, octavo_fault, octavo_fault, octavo_fault, octavo_fault, octavo_fault, 0, 0, 0,
     octavo_fault, octavo_fault, 0, octavo_fault, octavo_fault}};
