// Only the declarations our example uses, with the library's names and arguments, so that a compiler can check it.
#pragma once
#include <stdint.h>

typedef uint32_t TickType_t;
#define portMAX_DELAY 0xffffffffUL
#define pdMS_TO_TICKS(ms) ((TickType_t)(ms))
