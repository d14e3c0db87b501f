// Only the declarations our example uses, with the library's names and arguments, so that a compiler can check it.
#pragma once
#include "freertos/FreeRTOS.h"

typedef struct semaphore *SemaphoreHandle_t;
SemaphoreHandle_t xSemaphoreCreateMutex(void);
int xSemaphoreTake(SemaphoreHandle_t semaphore, TickType_t wait);
int xSemaphoreGive(SemaphoreHandle_t semaphore);
