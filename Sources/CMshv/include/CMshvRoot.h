// Linux's /dev/mshv for a root partition (the mshv_root driver): arguments and request numbers.
#pragma once
#include "CMshvLayout.h"
#include "CHvState.h"
#include <linux/ioctl.h>

// The first interface.
struct mshv_create_partition {
    uint64_t pt_flags, pt_isolation;
};
HV_SIZE(struct mshv_create_partition, 16); HV_AT(struct mshv_create_partition, pt_isolation, 8);

// The later one. The request number stays that of the first (its size is 16); the driver reads the rest where
// pt_flags has bit MSHV_PT_BIT_CPU_AND_XSAVE_FEATURES.
struct mshv_create_partition_v2 {
    uint64_t pt_flags, pt_isolation;
    uint16_t pt_num_cpu_fbanks;
    uint8_t pt_rsvd[6];
    uint64_t pt_cpu_fbanks[2], pt_rsvd1[2], pt_disabled_xsave;
};
HV_SIZE(struct mshv_create_partition_v2, 64); HV_AT(struct mshv_create_partition_v2, pt_isolation, 8);
HV_AT(struct mshv_create_partition_v2, pt_num_cpu_fbanks, 16); HV_AT(struct mshv_create_partition_v2, pt_rsvd, 18);
HV_AT(struct mshv_create_partition_v2, pt_cpu_fbanks, 24); HV_AT(struct mshv_create_partition_v2, pt_rsvd1, 40);
HV_AT(struct mshv_create_partition_v2, pt_disabled_xsave, 56);

struct mshv_create_vp {
    uint32_t vp_index;
};
HV_SIZE(struct mshv_create_vp, 4);

struct mshv_user_mem_region {
    uint64_t size, guest_pfn, userspace_addr;
    uint8_t flags, rsvd[7];
};
HV_SIZE(struct mshv_user_mem_region, 32); HV_AT(struct mshv_user_mem_region, guest_pfn, 8);
HV_AT(struct mshv_user_mem_region, userspace_addr, 16); HV_AT(struct mshv_user_mem_region, flags, 24);
HV_AT(struct mshv_user_mem_region, rsvd, 25);

struct mshv_user_irqfd {
    int32_t fd, resamplefd;
    uint32_t gsi, flags;
};
HV_SIZE(struct mshv_user_irqfd, 16); HV_AT(struct mshv_user_irqfd, resamplefd, 4);
HV_AT(struct mshv_user_irqfd, gsi, 8); HV_AT(struct mshv_user_irqfd, flags, 12);

struct mshv_user_ioeventfd {
    uint64_t datamatch, addr;
    uint32_t len;
    int32_t fd;
    uint32_t flags;
    uint8_t rsvd[4];
};
HV_SIZE(struct mshv_user_ioeventfd, 32); HV_AT(struct mshv_user_ioeventfd, addr, 8);
HV_AT(struct mshv_user_ioeventfd, len, 16); HV_AT(struct mshv_user_ioeventfd, fd, 20);
HV_AT(struct mshv_user_ioeventfd, flags, 24); HV_AT(struct mshv_user_ioeventfd, rsvd, 28);

struct mshv_user_irq_entry {
    uint32_t gsi, address_lo, address_hi, data;
};
HV_SIZE(struct mshv_user_irq_entry, 16); HV_AT(struct mshv_user_irq_entry, address_lo, 4);
HV_AT(struct mshv_user_irq_entry, address_hi, 8); HV_AT(struct mshv_user_irq_entry, data, 12);

// `nr` entries follow; Swift does not see them.
struct mshv_user_irq_table {
    uint32_t nr, rsvd;
    struct mshv_user_irq_entry entries[];
};
HV_SIZE(struct mshv_user_irq_table, 8); HV_AT(struct mshv_user_irq_table, rsvd, 4);
HV_AT(struct mshv_user_irq_table, entries, 8);

struct mshv_gpap_access_bitmap {
    uint8_t access_type, access_op, rsvd[6];
    uint64_t page_count, gpap_base, bitmap_ptr;
};
HV_SIZE(struct mshv_gpap_access_bitmap, 32); HV_AT(struct mshv_gpap_access_bitmap, access_op, 1);
HV_AT(struct mshv_gpap_access_bitmap, rsvd, 2); HV_AT(struct mshv_gpap_access_bitmap, page_count, 8);
HV_AT(struct mshv_gpap_access_bitmap, gpap_base, 16); HV_AT(struct mshv_gpap_access_bitmap, bitmap_ptr, 24);

struct mshv_root_hvcall {
    uint16_t code, reps, in_sz, out_sz, status;
    uint8_t rsvd[6];
    uint64_t in_ptr, out_ptr;
};
HV_SIZE(struct mshv_root_hvcall, 32); HV_AT(struct mshv_root_hvcall, reps, 2);
HV_AT(struct mshv_root_hvcall, in_sz, 4); HV_AT(struct mshv_root_hvcall, out_sz, 6);
HV_AT(struct mshv_root_hvcall, status, 8); HV_AT(struct mshv_root_hvcall, rsvd, 10);
HV_AT(struct mshv_root_hvcall, in_ptr, 16); HV_AT(struct mshv_root_hvcall, out_ptr, 24);

// `msg_buf` is a struct hv_message.
struct mshv_run_vp {
    uint8_t msg_buf[256];
};
HV_SIZE(struct mshv_run_vp, 256);

struct mshv_get_set_vp_state {
    uint8_t type, rsvd[3];
    uint32_t buf_sz;
    uint64_t buf_ptr;
};
HV_SIZE(struct mshv_get_set_vp_state, 16); HV_AT(struct mshv_get_set_vp_state, rsvd, 1);
HV_AT(struct mshv_get_set_vp_state, buf_sz, 4); HV_AT(struct mshv_get_set_vp_state, buf_ptr, 8);

// Not merged into Linux yet; the same number and layout as in rust-vmm.
struct mshv_translate_gva {
    uint64_t gva, flags;
    union hv_translate_gva_result *result;
    uint64_t *gpa;
};
HV_SIZE(struct mshv_translate_gva, 32); HV_AT(struct mshv_translate_gva, flags, 8);
HV_AT(struct mshv_translate_gva, result, 16); HV_AT(struct mshv_translate_gva, gpa, 24);

#define HV_MSHV_MAGIC 0xB8
// Request numbers, by the descriptor that takes them: one number means different things on different descriptors.
static const unsigned long HV_MSHV_DEVICE_CREATE_PARTITION = _IOW(HV_MSHV_MAGIC, 0x00, struct mshv_create_partition);
static const unsigned long HV_MSHV_DEVICE_ROOT_HVCALL = _IOWR(HV_MSHV_MAGIC, 0x07, struct mshv_root_hvcall);
static const unsigned long HV_MSHV_PARTITION_INITIALIZE = _IO(HV_MSHV_MAGIC, 0x00);
static const unsigned long HV_MSHV_PARTITION_CREATE_VP = _IOW(HV_MSHV_MAGIC, 0x01, struct mshv_create_vp);
static const unsigned long HV_MSHV_PARTITION_SET_GUEST_MEMORY = _IOW(HV_MSHV_MAGIC, 0x02, struct mshv_user_mem_region);
static const unsigned long HV_MSHV_PARTITION_IRQFD = _IOW(HV_MSHV_MAGIC, 0x03, struct mshv_user_irqfd);
static const unsigned long HV_MSHV_PARTITION_IOEVENTFD = _IOW(HV_MSHV_MAGIC, 0x04, struct mshv_user_ioeventfd);
static const unsigned long HV_MSHV_PARTITION_SET_MSI_ROUTING = _IOW(HV_MSHV_MAGIC, 0x05, struct mshv_user_irq_table);
static const unsigned long HV_MSHV_PARTITION_GET_GPAP_ACCESS_BITMAP =
    _IOWR(HV_MSHV_MAGIC, 0x06, struct mshv_gpap_access_bitmap);
static const unsigned long HV_MSHV_PARTITION_ROOT_HVCALL = _IOWR(HV_MSHV_MAGIC, 0x07, struct mshv_root_hvcall);
static const unsigned long HV_MSHV_VP_RUN = _IOR(HV_MSHV_MAGIC, 0x00, struct mshv_run_vp);
static const unsigned long HV_MSHV_VP_GET_STATE = _IOWR(HV_MSHV_MAGIC, 0x01, struct mshv_get_set_vp_state);
static const unsigned long HV_MSHV_VP_SET_STATE = _IOWR(HV_MSHV_MAGIC, 0x02, struct mshv_get_set_vp_state);
static const unsigned long HV_MSHV_VP_ROOT_HVCALL = _IOWR(HV_MSHV_MAGIC, 0x07, struct mshv_root_hvcall);
static const unsigned long HV_MSHV_VP_TRANSLATE_GVA = _IOWR(HV_MSHV_MAGIC, 0xF2, struct mshv_translate_gva);
