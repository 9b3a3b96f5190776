// CPUID of the processor this thread runs on.
#pragma once
#include <cpuid.h>
#include <stdint.h>

struct hv_cpuid_result {
    uint32_t eax, ebx, ecx, edx;
};
static inline struct hv_cpuid_result hv_cpuid(uint32_t leaf, uint32_t subleaf) {
    struct hv_cpuid_result result;
    __cpuid_count(leaf, subleaf, result.eax, result.ebx, result.ecx, result.edx);
    return result;
}
