// Only the declarations our example uses, with the library's names and arguments, so that a compiler can check it.
#pragma once
#include <stddef.h>

typedef struct cJSON {
    double valuedouble;
} cJSON;
typedef int cJSON_bool;
cJSON *cJSON_ParseWithLength(const char *value, size_t length);
cJSON *cJSON_CreateObject(void);
cJSON *cJSON_GetObjectItem(const cJSON *const object, const char *const name);
char *cJSON_GetStringValue(const cJSON *const item);
cJSON_bool cJSON_IsNumber(const cJSON *const item);
cJSON *cJSON_AddStringToObject(cJSON *const object, const char *const name, const char *const text);
cJSON *cJSON_AddObjectToObject(cJSON *const object, const char *const name);
cJSON_bool cJSON_AddItemToObject(cJSON *object, const char *name, cJSON *item);
cJSON_bool cJSON_PrintPreallocated(cJSON *item, char *buffer, const int length, const cJSON_bool format);
void cJSON_Delete(cJSON *item);
