// The contract of vorab over esp-mqtt. Events of the client run in its task, vorab_send in yours; `lock` stands between them.
#include "vorab.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "esp_log.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "mqtt_client.h"
#include "nvs.h"

#define KEEP 64             // readings kept until they are in the log; the oldest goes first, and vorab sees the hole
#define VALUES_BYTES 256
#define REMEMBERED 32       // answers repeated when a command comes again: the contract asks for this many
#define ANSWER_BYTES 512
#define HANDLERS 8
#define RESEND_US 10000000  // a reading that nobody acknowledged for ten seconds goes out again
#define AT_ONCE 8

static const char *TAG = "vorab";

typedef struct {
    uint32_t seq;
    int64_t ts_ms;    // 0: no clock yet, so vorab takes the time of arrival
    int64_t sent_us;  // 0: not yet
    char values[VALUES_BYTES];
} reading_t;

typedef struct {
    char id[72];
    char body[ANSWER_BYTES];
} answer_t;

static struct {
    const char *name;
    vorab_handler_t handler;
} handlers[HANDLERS];

static esp_mqtt_client_handle_t client;
static SemaphoreHandle_t lock;
static esp_timer_handle_t again;
static char base[160], will_topic[176];
static reading_t ring[KEEP];
static size_t ring_first, ring_count;
static answer_t answers[REMEMBERED];
static size_t answers_next;
static uint32_t boot_number, last_seq, acked;
static bool connected;

static int64_t clock_ms(void)
{
    time_t now = time(NULL);
    return now > 1577836800 ? (int64_t)now * 1000 : 0;
}

// Seconds since 1970 of 2026-11-23T20:15:00.123456Z; 0 for what is no moment. Counts from 1 March: the leap day comes last.
static int64_t iso_s(const char *text)
{
    int y, mo, d, h, mi, s;
    if (text == NULL || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &y, &mo, &d, &h, &mi, &s) != 6 || text[strlen(text) - 1] != 'Z') {
        return 0;
    }
    y -= mo <= 2;
    int64_t days = 365LL * y + y / 4 - y / 100 + y / 400 + (153 * (mo + (mo > 2 ? -3 : 9)) + 2) / 5 + d - 1 - 719468;
    return ((days * 24 + h) * 60 + mi) * 60 + s;
}

static void publish_to(const char *end, const char *body, int retain)
{
    char topic[320];
    snprintf(topic, sizeof topic, "%s/%s", base, end);
    // Enqueue, never publish: the client's task may not wait for itself.
    esp_mqtt_client_enqueue(client, topic, body, 0, 1, retain, true);
}

// ------------------------------------------------------------------------------------------------ readings

static void publish_reading(const reading_t *reading, uint32_t known)
{
    char body[VALUES_BYTES + 128], ts[32] = "";
    if (reading->ts_ms != 0) {
        snprintf(ts, sizeof ts, "\"ts\":%" PRId64 ",", reading->ts_ms);
    }
    snprintf(body, sizeof body, "{\"boot\":%" PRIu32 ",\"seq\":%" PRIu32 ",\"acked\":%" PRIu32 ",%s\"values\":%s}", boot_number,
             reading->seq, known, ts, reading->values);
    publish_to("telemetry", body, 0);
}

// The next reading that is due, as a copy: the client has a lock of its own, which its task holds when it calls us, so nothing
// is handed to it while we hold ours.
static bool next_due(reading_t *due, uint32_t *known)
{
    bool found = false;
    xSemaphoreTake(lock, portMAX_DELAY);
    int64_t now = esp_timer_get_time();
    for (size_t i = 0; connected && i < ring_count && !found; i++) {
        reading_t *reading = &ring[(ring_first + i) % KEEP];
        if (reading->sent_us == 0 || now - reading->sent_us > RESEND_US) {
            reading->sent_us = now;
            *due = *reading;
            *known = acked;
            found = true;
        }
    }
    xSemaphoreGive(lock);
    return found;
}

static void send_what_waits(void *unused)
{
    (void)unused;
    reading_t due;
    uint32_t known;
    for (int most = AT_ONCE; most > 0 && next_due(&due, &known); most--) {
        publish_reading(&due, known);
    }
}

esp_err_t vorab_send(const char *values)
{
    if (strlen(values) >= VALUES_BYTES) {
        return ESP_ERR_INVALID_SIZE;
    }
    xSemaphoreTake(lock, portMAX_DELAY);
    if (ring_count == KEEP) {
        ESP_LOGW(TAG, "nobody acknowledges: reading %" PRIu32 " is given up", ring[ring_first].seq);
        acked = ring[ring_first].seq; // nobody waits for it any more, or nothing behind it could be acknowledged
        ring_first = (ring_first + 1) % KEEP;
        ring_count--;
    }
    reading_t *reading = &ring[(ring_first + ring_count++) % KEEP];
    reading->seq = ++last_seq;
    reading->ts_ms = clock_ms();
    reading->sent_us = 0;
    snprintf(reading->values, sizeof reading->values, "%s", values);
    xSemaphoreGive(lock);
    send_what_waits(NULL);
    return ESP_OK;
}

static void acknowledged(const cJSON *body)
{
    const cJSON *boot = cJSON_GetObjectItem(body, "boot"), *seq = cJSON_GetObjectItem(body, "seq");
    if (!cJSON_IsNumber(boot) || !cJSON_IsNumber(seq) || (uint32_t)boot->valuedouble != boot_number) {
        return;
    }
    xSemaphoreTake(lock, portMAX_DELAY);
    uint32_t upto = (uint32_t)seq->valuedouble;
    if (upto > acked && upto <= last_seq) {
        acked = upto;
    }
    while (ring_count > 0 && ring[ring_first].seq <= acked) {
        ring_first = (ring_first + 1) % KEEP;
        ring_count--;
    }
    xSemaphoreGive(lock);
}

// ------------------------------------------------------------------------------------------------ commands

esp_err_t vorab_on(const char *command, vorab_handler_t handler)
{
    for (size_t i = 0; i < HANDLERS; i++) {
        if (handlers[i].name == NULL) {
            handlers[i].name = command;
            handlers[i].handler = handler;
            return ESP_OK;
        }
    }
    return ESP_ERR_NO_MEM;
}

static void refuse(cJSON *answer, const char *status, const char *code)
{
    cJSON_AddStringToObject(answer, "status", status);
    cJSON_AddStringToObject(cJSON_AddObjectToObject(answer, "error"), "code", code);
}

static void perform(const char *name, const cJSON *command, cJSON *answer)
{
    int64_t not_after = iso_s(cJSON_GetStringValue(cJSON_GetObjectItem(command, "not_after"))), now = clock_ms() / 1000;
    if (now == 0 || not_after == 0) {
        refuse(answer, "rejected", now == 0 ? "no_clock" : "bad_time");
        return;
    }
    if (now > not_after) {
        refuse(answer, "expired", "expired");
        return;
    }
    for (size_t i = 0; i < HANDLERS && handlers[i].name != NULL; i++) {
        if (strcmp(handlers[i].name, name) == 0) {
            cJSON *result = cJSON_CreateObject(), *error = cJSON_CreateObject();
            bool done = handlers[i].handler(cJSON_GetObjectItem(command, "params"), result, error);
            cJSON_AddStringToObject(answer, "status", done ? "succeeded" : "failed");
            cJSON_AddItemToObject(answer, done ? "result" : "error", done ? result : error);
            cJSON_Delete(done ? error : result);
            return;
        }
    }
    refuse(answer, "rejected", "unknown");
}

static void obey(const char *name, const cJSON *command)
{
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItem(command, "id"));
    char end[128];
    if (id == NULL || id[0] == '\0' || strlen(id) >= sizeof answers[0].id) {
        return;
    }
    snprintf(end, sizeof end, "cmd/%.64s/res", name);
    for (size_t i = 0; i < REMEMBERED; i++) {
        if (strcmp(answers[i].id, id) == 0) {  // commands come at least once; this one is done
            publish_to(end, answers[i].body, 0);
            return;
        }
    }
    cJSON *answer = cJSON_CreateObject();
    cJSON_AddStringToObject(answer, "id", id);
    perform(name, command, answer);
    answer_t *kept = &answers[answers_next++ % REMEMBERED];
    snprintf(kept->id, sizeof kept->id, "%s", id);
    if (!cJSON_PrintPreallocated(answer, kept->body, sizeof kept->body, false)) {
        snprintf(kept->body, sizeof kept->body, "{\"id\":\"%s\",\"status\":\"failed\",\"error\":{\"code\":\"too_long\"}}", id);
    }
    cJSON_Delete(answer);
    publish_to(end, kept->body, 0);
}

// ------------------------------------------------------------------------------------------------ connection

static void heard(const esp_mqtt_event_t *event)
{
    char name[65];
    size_t length = strlen(base), rest;
    if (event->data_len != event->total_data_len || (size_t)event->topic_len <= length || strncmp(event->topic, base, length) != 0) {
        return;  // longer than the buffer, or not ours
    }
    const char *end = event->topic + length;
    rest = (size_t)event->topic_len - length;
    cJSON *body = cJSON_ParseWithLength(event->data, (size_t)event->data_len);
    if (rest == 4 && strncmp(end, "/ack", 4) == 0) {
        acknowledged(body);
    } else if (rest > 5 && rest - 5 < sizeof name && strncmp(end, "/cmd/", 5) == 0 && !event->retain) {
        memcpy(name, end + 5, rest - 5);
        name[rest - 5] = '\0';
        obey(name, body);
    }
    cJSON_Delete(body);
}

static void happened(void *unused, esp_event_base_t family, int32_t id, void *data)
{
    (void)unused;
    (void)family;
    char topic[176];
    switch (id) {
    case MQTT_EVENT_CONNECTED:
        snprintf(topic, sizeof topic, "%s/cmd/+", base);
        esp_mqtt_client_subscribe_single(client, topic, 1);
        snprintf(topic, sizeof topic, "%s/ack", base);
        esp_mqtt_client_subscribe_single(client, topic, 1);
        publish_to("status", "{\"status\":\"online\"}", 1);
        xSemaphoreTake(lock, portMAX_DELAY);
        connected = true;
        for (size_t i = 0; i < ring_count; i++) {
            ring[(ring_first + i) % KEEP].sent_us = 0;
        }
        xSemaphoreGive(lock);
        break;
    case MQTT_EVENT_DISCONNECTED:
        xSemaphoreTake(lock, portMAX_DELAY);
        connected = false;
        xSemaphoreGive(lock);
        break;
    case MQTT_EVENT_DATA:
        heard(data);
        break;
    default:
        break;
    }
}

static esp_err_t count_boot(void)
{
    nvs_handle_t store;
    esp_err_t error = nvs_open("vorab", NVS_READWRITE, &store);
    if (error != ESP_OK) {
        return error;
    }
    nvs_get_u32(store, "boot", &boot_number);  // not there yet: stays 0
    boot_number++;
    error = nvs_set_u32(store, "boot", boot_number);
    if (error == ESP_OK) {
        error = nvs_commit(store);
    }
    nvs_close(store);
    return error;
}

esp_err_t vorab_start(const vorab_config_t *config)
{
    esp_err_t error = count_boot();
    if (error != ESP_OK) {
        return error;
    }
    snprintf(base, sizeof base, "vorab/v1/%.60s/%.80s", config->tenant != NULL ? config->tenant : "main", config->device);
    snprintf(will_topic, sizeof will_topic, "%s/status", base);
    lock = xSemaphoreCreateMutex();
    const esp_mqtt_client_config_t chosen = {
        .broker.address.uri = config->uri,
        .broker.verification.certificate = config->ca_pem,
        .credentials.client_id = config->device,
        .credentials.authentication.certificate = config->cert_pem,
        .credentials.authentication.key = config->key_pem,
        // The broker says this when we are gone without a word, after 1.5 times the keep-alive.
        .session.last_will.topic = will_topic,
        .session.last_will.msg = "{\"status\":\"offline\"}",
        .session.last_will.qos = 1,
        .session.last_will.retain = 1,
        .session.keepalive = 60,
        .session.disable_clean_session = true,  // commands wait at the broker; not_after says for how long they are good
        .buffer.size = 2048,
    };
    client = esp_mqtt_client_init(&chosen);
    if (lock == NULL || client == NULL) {
        return ESP_ERR_NO_MEM;
    }
    const esp_timer_create_args_t timer = {.callback = send_what_waits, .name = "vorab"};
    error = esp_timer_create(&timer, &again);
    if (error == ESP_OK) {
        error = esp_timer_start_periodic(again, 1000000);
    }
    if (error == ESP_OK) {
        error = esp_mqtt_client_register_event(client, MQTT_EVENT_ANY, happened, NULL);
    }
    return error == ESP_OK ? esp_mqtt_client_start(client) : error;
}
