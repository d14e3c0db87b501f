// A device of vorab on ESP-IDF 5: readings that are kept until they are in the log, and commands.
#pragma once

#include <stdbool.h>

#include "cJSON.h"
#include "esp_err.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const char *uri;       // mqtts://broker.example.org:8883, or mqtt://192.168.1.10
    const char *device;    // by TLS: the common name of the certificate
    const char *tenant;    // NULL is "main"
    const char *ca_pem;    // NULL: no TLS
    const char *cert_pem;  // of this device
    const char *key_pem;
} vorab_config_t;

// Does a command. Returns true and fills `result` with plain values, or returns false and adds "code" and "message" to `error`.
typedef bool (*vorab_handler_t)(const cJSON *params, cJSON *result, cJSON *error);

// Counts the boot up (in NVS, which must be initialised) and connects in the background.
esp_err_t vorab_start(const vorab_config_t *config);

// Before vorab_start.
esp_err_t vorab_on(const char *command, vorab_handler_t handler);

// Takes a reading of now; `values` is a JSON object of at most 255 bytes. Any task may call it.
esp_err_t vorab_send(const char *values);

#ifdef __cplusplus
}
#endif
