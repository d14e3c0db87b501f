// Only the declarations our example uses, with the library's names and arguments, so that a compiler can check it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

class String {
public:
  String(const char *text) : text_(text) {}
  const char *c_str() const { return text_.c_str(); }
  unsigned int length() const { return (unsigned int)text_.size(); }
  bool startsWith(const String &other) const { return text_.rfind(other.text_, 0) == 0; }
  bool operator==(const String &other) const { return text_ == other.text_; }
  friend String operator+(const String &a, const char *b) { return String((a.text_ + b).c_str()); }

private:
  std::string text_;
};

unsigned long millis();
void configTime(long gmt_offset_s, int daylight_offset_s, const char *server);

struct SerialPort {
  void begin(unsigned long baud);
};
extern SerialPort Serial;
