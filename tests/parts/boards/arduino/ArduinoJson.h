// Only the declarations our example uses, with the library's names and arguments, so that a compiler can check it.
#pragma once
#include <cstddef>
#include <cstdint>

// ArduinoJson 7
class JsonVariant {
public:
  template <typename T> JsonVariant &operator=(const T &value) { (void)value; return *this; }
  JsonVariant operator[](const char *key) const;
  template <typename T> T as() const;
  template <typename T> operator T() const;
};

class JsonDocument {
public:
  JsonVariant operator[](const char *key);
};

class DeserializationError {
public:
  explicit operator bool() const;
};

DeserializationError deserializeJson(JsonDocument &doc, const uint8_t *input, size_t size);
size_t serializeJson(const JsonDocument &doc, char *output, size_t size);
