// Layouts are promises: each structure states its size and where its fields stand, and the compiler holds it to that.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define HV_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), "size of " #type)
#define HV_AT(type, field, place) _Static_assert(offsetof(type, field) == (place), #type "." #field)
