// Only the declarations our example uses, with the library's names and arguments, so that a compiler can check it.
#pragma once
#define ESP_LOGW(tag, ...) ((void)(tag), (void)printf(__VA_ARGS__))
