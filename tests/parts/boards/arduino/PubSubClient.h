// Only the declarations our example uses, with the library's names and arguments, so that a compiler can check it.
#pragma once
#include <cstdint>
#include <functional>

#include "WiFi.h"

// PubSubClient 2.8
class PubSubClient {
public:
  explicit PubSubClient(WiFiClient &client);
  PubSubClient &setServer(const char *domain, uint16_t port);
  PubSubClient &setCallback(std::function<void(char *, uint8_t *, unsigned int)> callback);
  PubSubClient &setKeepAlive(uint16_t seconds);
  bool setBufferSize(uint16_t size);
  bool connect(const char *id, const char *user, const char *password, const char *will_topic, uint8_t will_qos, bool will_retain,
               const char *will_message, bool clean_session);
  bool publish(const char *topic, const char *payload);
  bool publish(const char *topic, const char *payload, bool retained);
  bool subscribe(const char *topic, uint8_t qos);
  bool loop();
  bool connected();
};
