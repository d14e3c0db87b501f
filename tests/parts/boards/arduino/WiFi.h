// Only the declarations our example uses, with the library's names and arguments, so that a compiler can check it.
#pragma once
#include <cstdint>

class WiFiClient {};

class WiFiClass {
public:
  int begin(const char *name, const char *password);
  int8_t RSSI();
};
extern WiFiClass WiFi;
