// Only the declarations our example uses, with the library's names and arguments, so that a compiler can check it.
#pragma once
#include "esp_err.h"

typedef struct {
    const char *server;
} esp_sntp_config_t;
#define ESP_NETIF_SNTP_DEFAULT_CONFIG(name) {.server = name}
esp_err_t esp_netif_sntp_init(const esp_sntp_config_t *config);
