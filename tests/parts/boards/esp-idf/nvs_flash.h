// Only the declarations our example uses, with the library's names and arguments, so that a compiler can check it.
#pragma once
#include "esp_err.h"

esp_err_t nvs_flash_init(void);
