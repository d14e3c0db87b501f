// Only the declarations our example uses, with the library's names and arguments, so that a compiler can check it.
#pragma once
#include <cstdint>

class Preferences {
public:
  bool begin(const char *name, bool read_only);
  uint32_t getUInt(const char *key, uint32_t otherwise);
  size_t putUInt(const char *key, uint32_t value);
};
