#include "CMshvLayoutTable.h"
#include "Fields.h"
#include <string.h>

// Where a bit-field stands is no constant for the compiler: it is set to ones in a structure of zeros.
static struct hv_layout_row bits_of(const char *structure, const char *field, const void *value, size_t size) {
    const uint8_t *bytes = value;
    struct hv_layout_row row = { structure, field, 0, 0 };
    for (size_t bit = 0; bit < 8 * size; bit++) {
        if (!(bytes[bit / 8] >> bit % 8 & 1)) continue;
        if (row.bit_count++ == 0) row.first_bit = bit;
    }
    return row;
}

static void add(struct hv_layout_row *rows, size_t capacity, size_t *count, struct hv_layout_row row) {
    if (*count < capacity) rows[*count] = row;
    ++*count;
}

#define ADD(...) add(rows, capacity, &count, (struct hv_layout_row){ __VA_ARGS__ });
#define STRUCTURE(type) ADD(#type, "", 0, 8 * sizeof(type))
#define FIELD(type, field) ADD(#type, #field, 8 * offsetof(type, field), 8 * sizeof(((type *)0)->field))
#define FLEXIBLE(type, field) ADD(#type, #field, 8 * offsetof(type, field), 0)
#define BITS(type, field) \
    { \
        type value; \
        memset(&value, 0, sizeof value); \
        value.field = ~value.field; \
        add(rows, capacity, &count, bits_of(#type, #field, &value, sizeof value)); \
    }

size_t hv_layout_rows(struct hv_layout_row *rows, size_t capacity) {
    size_t count = 0;
    HV_FIELDS_OF_REQUESTS
    HV_FIELDS_OF_REGISTERS
    HV_FIELDS_OF_MESSAGES
    return count;
}

#define CONSTANT(name) { #name, name },
static const struct hv_constant_row constants[] = { HV_CONSTANTS };

size_t hv_constant_rows(struct hv_constant_row *rows, size_t capacity) {
    const size_t count = sizeof constants / sizeof *constants;
    for (size_t index = 0; index < count && index < capacity; index++) rows[index] = constants[index];
    return count;
}
