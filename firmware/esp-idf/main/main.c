// A thermometer: connects, sends a reading every ten seconds, and obeys `identify`.
#include <stdio.h>

#include "esp_event.h"
#include "esp_netif.h"
#include "esp_netif_sntp.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "nvs_flash.h"
#include "protocol_examples_common.h"
#include "vorab.h"

static bool identify(const cJSON *params, cJSON *result, cJSON *error)
{
    (void)params;
    (void)error;
    cJSON_AddStringToObject(result, "model", "thermometer");
    return true;
}

void app_main(void)
{
    ESP_ERROR_CHECK(nvs_flash_init());
    ESP_ERROR_CHECK(esp_netif_init());
    ESP_ERROR_CHECK(esp_event_loop_create_default());
    ESP_ERROR_CHECK(example_connect());

    // Without a clock vorab takes the time of arrival, and commands are refused: nobody can tell whether they are too late.
    esp_sntp_config_t sntp = ESP_NETIF_SNTP_DEFAULT_CONFIG("pool.ntp.org");
    ESP_ERROR_CHECK(esp_netif_sntp_init(&sntp));

    ESP_ERROR_CHECK(vorab_on("identify", identify));
    const vorab_config_t config = {.uri = "mqtt://192.168.1.10", .device = "thermometer-1"};
    ESP_ERROR_CHECK(vorab_start(&config));

    for (unsigned n = 0;; n++) {
        char values[64];
        snprintf(values, sizeof values, "{\"temperature\":%.1f,\"door\":false}", 20.0 + (double)(n % 50) / 10.0);  // your sensor
        ESP_ERROR_CHECK_WITHOUT_ABORT(vorab_send(values));
        vTaskDelay(pdMS_TO_TICKS(10000));
    }
}
