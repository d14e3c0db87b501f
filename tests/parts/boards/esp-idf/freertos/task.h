// Only the declarations our example uses, with the library's names and arguments, so that a compiler can check it.
#pragma once
#include "freertos/FreeRTOS.h"

void vTaskDelay(const TickType_t ticks);
