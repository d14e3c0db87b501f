// A device of vorab for ESP32 boards with Arduino: readings that are kept until they are in the log, and commands.
// Libraries: PubSubClient 2.8, ArduinoJson 7 (both from the library manager); Preferences and WiFi come with the board.
//
// PubSubClient publishes at QoS 0 only, so the broker acknowledges nothing. The ring below makes up for it: boot, seq and
// acked ask vorab itself for an acknowledgement, and a reading goes out again until it has come.

#include <Arduino.h>
#include <ArduinoJson.h>
#include <Preferences.h>
#include <PubSubClient.h>
#include <WiFi.h>
#include <time.h>

static const char *WIFI_NAME = "your network";
static const char *WIFI_PASSWORD = "its password";
static const char *BROKER = "192.168.1.10";
static const uint16_t PORT = 1883;
static const char *BASE = "vorab/v1/main/thermometer-1";
static const char *DEVICE = "thermometer-1";

static const unsigned long EVERY_MS = 10000;   // a reading
static const unsigned long RESEND_MS = 10000;  // a reading that nobody acknowledged goes out again
static const size_t KEEP = 64;                 // readings kept meanwhile; the oldest goes first, and vorab sees the hole
static const size_t REMEMBERED = 32;           // answers repeated when a command comes again: the contract asks for this many

struct Reading {
  uint32_t seq;
  int64_t ts_ms;  // 0: no clock yet, so vorab takes the time of arrival
  float temperature;
  unsigned long sent_ms;
  bool sent;
};

struct Answer {
  char id[72];
  char topic[160];
  char body[320];
};

static WiFiClient network;
static PubSubClient mqtt(network);
static Preferences store;

static Reading ring[KEEP];
static size_t ring_first = 0, ring_count = 0;
static Answer answers[REMEMBERED];
static size_t answers_next = 0;
static uint32_t boot_number = 0, seq = 0, acked = 0;
static unsigned long measured_ms = 0, tried_ms = 0;

static String topic_of(const char *end) { return String(BASE) + "/" + end; }

static int64_t clock_ms() {
  time_t now = time(nullptr);
  return now > 1577836800 ? (int64_t)now * 1000 : 0;
}

// Days since 1970 by counting from 1 March, so that the leap day is the last of the year. 0 for what is no moment.
static int64_t iso_s(const char *text) {
  int y, mo, d, h, mi, s;
  if (text == nullptr || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &y, &mo, &d, &h, &mi, &s) != 6 || text[strlen(text) - 1] != 'Z') return 0;
  y -= mo <= 2;
  int64_t days = 365LL * y + y / 4 - y / 100 + y / 400 + (153 * (mo + (mo > 2 ? -3 : 9)) + 2) / 5 + d - 1 - 719468;
  return ((days * 24 + h) * 60 + mi) * 60 + s;
}

// ---------------------------------------------------------------------------------------------- readings

static float temperature() {
  return 20.0f + (float)(seq % 50) / 10.0f;  // put your sensor here
}

static void publish(Reading &reading) {
  JsonDocument body;
  body["boot"] = boot_number;
  body["seq"] = reading.seq;
  body["acked"] = acked;
  if (reading.ts_ms != 0) body["ts"] = reading.ts_ms;
  body["values"]["temperature"] = reading.temperature;
  char text[256];
  serializeJson(body, text, sizeof text);
  if (mqtt.publish(topic_of("telemetry").c_str(), text)) {
    reading.sent = true;
    reading.sent_ms = millis();
  }
}

static void measure() {
  if (ring_count == KEEP) {
    acked = ring[ring_first].seq;  // given up: nobody waits for it any more, or nothing behind it could be acknowledged
    ring_first = (ring_first + 1) % KEEP;
    ring_count--;
  }
  seq++;
  ring[(ring_first + ring_count++) % KEEP] = Reading{seq, clock_ms(), temperature(), 0, false};
}

static void send_what_waits() {
  int most = 8;  // so that commands get their turn
  for (size_t i = 0; i < ring_count && most > 0; i++) {
    Reading &reading = ring[(ring_first + i) % KEEP];
    if (reading.sent && millis() - reading.sent_ms < RESEND_MS) continue;
    publish(reading);
    most--;
  }
}

static void acknowledged(JsonDocument &body) {
  if (body["boot"].as<uint32_t>() != boot_number) return;
  uint32_t upto = body["seq"].as<uint32_t>();
  if (upto > acked && upto <= seq) acked = upto;
  while (ring_count > 0 && ring[ring_first].seq <= acked) {
    ring_first = (ring_first + 1) % KEEP;
    ring_count--;
  }
}

// ---------------------------------------------------------------------------------------------- commands

// What the device can do: the status, and in `result` or `why` what there is to say.
static const char *perform(const char *name, JsonDocument &command, JsonDocument &answer) {
  if (strcmp(name, "identify") == 0) {
    answer["result"]["boot"] = boot_number;
    answer["result"]["rssi"] = WiFi.RSSI();
    return "succeeded";
  }
  (void)command;  // its `params` are here for commands that have some
  answer["error"]["code"] = "unknown";
  answer["error"]["message"] = "this device has no such command";
  return "rejected";
}

static void obey(const char *topic, const char *name, JsonDocument &command) {
  const char *id = command["id"];
  if (id == nullptr || strlen(id) == 0 || strlen(id) >= sizeof answers[0].id) return;
  for (size_t i = 0; i < REMEMBERED; i++) {
    if (strcmp(answers[i].id, id) == 0) {  // commands come at least once; this one is done
      mqtt.publish(answers[i].topic, answers[i].body);
      return;
    }
  }
  JsonDocument answer;
  answer["id"] = id;
  int64_t not_after = iso_s(command["not_after"]), now = clock_ms() / 1000;
  if (now == 0 || not_after == 0) {
    answer["status"] = "rejected";
    answer["error"]["code"] = now == 0 ? "no_clock" : "bad_time";
  } else if (now > not_after) {
    answer["status"] = "expired";
  } else {
    answer["status"] = perform(name, command, answer);
  }
  Answer &kept = answers[answers_next++ % REMEMBERED];
  snprintf(kept.id, sizeof kept.id, "%s", id);
  snprintf(kept.topic, sizeof kept.topic, "%s/res", topic);
  serializeJson(answer, kept.body, sizeof kept.body);
  mqtt.publish(kept.topic, kept.body);
}

static void heard(char *topic, uint8_t *payload, unsigned int length) {
  // PubSubClient reads and writes in one buffer, so topic and payload are gone with the first publish: copy them.
  String where(topic);
  JsonDocument body;
  if (deserializeJson(body, payload, length)) return;
  String commands = topic_of("cmd/");
  if (where == topic_of("ack")) {
    acknowledged(body);
  } else if (where.startsWith(commands)) {
    obey(where.c_str(), where.c_str() + commands.length(), body);
  }
}

// ---------------------------------------------------------------------------------------------- connection

static void connect_again() {
  if (millis() - tried_ms < 5000) return;
  tried_ms = millis();
  // The broker says the will when we are gone without a word, after 1.5 times the keep-alive. `false` keeps our session there.
  String status = topic_of("status");
  if (!mqtt.connect(DEVICE, nullptr, nullptr, status.c_str(), 1, true, "{\"status\":\"offline\"}", false)) return;
  mqtt.subscribe(topic_of("cmd/+").c_str(), 1);
  mqtt.subscribe(topic_of("ack").c_str(), 1);
  mqtt.publish(status.c_str(), "{\"status\":\"online\"}", true);
  for (size_t i = 0; i < ring_count; i++) ring[(ring_first + i) % KEEP].sent = false;
}

void setup() {
  Serial.begin(115200);
  store.begin("vorab", false);
  boot_number = store.getUInt("boot", 0) + 1;
  store.putUInt("boot", boot_number);
  WiFi.begin(WIFI_NAME, WIFI_PASSWORD);
  configTime(0, 0, "pool.ntp.org");
  mqtt.setServer(BROKER, PORT);
  mqtt.setCallback(heard);
  mqtt.setBufferSize(2048);  // a command with its parameters; the default of 256 is too small
  mqtt.setKeepAlive(60);
}

void loop() {
  if (!mqtt.connected()) connect_again();
  mqtt.loop();
  if (measured_ms == 0 || millis() - measured_ms >= EVERY_MS) {
    measured_ms = millis();
    measure();
  }
  if (mqtt.connected()) send_what_waits();
}
