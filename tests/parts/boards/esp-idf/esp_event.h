// Only the declarations our example uses, with the library's names and arguments, so that a compiler can check it.
#pragma once
#include "esp_err.h"

typedef const char *esp_event_base_t;
typedef void (*esp_event_handler_t)(void *argument, esp_event_base_t base, int32_t id, void *data);
esp_err_t esp_event_loop_create_default(void);
