// Linux's mshv_vtl driver (for a paravisor, not for a root): kept so that its requests are known by name when refused.
#pragma once
#include "CMshvRoot.h"

struct mshv_vp_registers {
    uint32_t count, reserved;
    uint64_t regs_ptr;
};
HV_SIZE(struct mshv_vp_registers, 16); HV_AT(struct mshv_vp_registers, reserved, 4);
HV_AT(struct mshv_vp_registers, regs_ptr, 8);

struct mshv_vtl_set_eventfd {
    int32_t fd;
    uint32_t flag;
};
HV_SIZE(struct mshv_vtl_set_eventfd, 8); HV_AT(struct mshv_vtl_set_eventfd, flag, 4);

struct mshv_vtl_signal_event {
    uint32_t connection_id, flag;
};
HV_SIZE(struct mshv_vtl_signal_event, 8); HV_AT(struct mshv_vtl_signal_event, flag, 4);

struct mshv_vtl_sint_post_msg {
    uint64_t message_type;
    uint32_t connection_id, payload_size;
    uint64_t payload_ptr;
};
HV_SIZE(struct mshv_vtl_sint_post_msg, 24); HV_AT(struct mshv_vtl_sint_post_msg, connection_id, 8);
HV_AT(struct mshv_vtl_sint_post_msg, payload_size, 12); HV_AT(struct mshv_vtl_sint_post_msg, payload_ptr, 16);

struct mshv_vtl_ram_disposition {
    uint64_t start_pfn, last_pfn;
};
HV_SIZE(struct mshv_vtl_ram_disposition, 16); HV_AT(struct mshv_vtl_ram_disposition, last_pfn, 8);

struct mshv_vtl_set_poll_file {
    uint32_t cpu, fd;
};
HV_SIZE(struct mshv_vtl_set_poll_file, 8); HV_AT(struct mshv_vtl_set_poll_file, fd, 4);

struct mshv_vtl_hvcall_setup {
    uint64_t bitmap_array_size, allow_bitmap_ptr;
};
HV_SIZE(struct mshv_vtl_hvcall_setup, 16); HV_AT(struct mshv_vtl_hvcall_setup, allow_bitmap_ptr, 8);

struct mshv_vtl_hvcall {
    uint64_t control, input_size, input_ptr, status, output_size, output_ptr;
};
HV_SIZE(struct mshv_vtl_hvcall, 48); HV_AT(struct mshv_vtl_hvcall, input_size, 8);
HV_AT(struct mshv_vtl_hvcall, input_ptr, 16); HV_AT(struct mshv_vtl_hvcall, status, 24);
HV_AT(struct mshv_vtl_hvcall, output_size, 32); HV_AT(struct mshv_vtl_hvcall, output_ptr, 40);

struct mshv_sint_mask {
    uint8_t mask, reserved[7];
};
HV_SIZE(struct mshv_sint_mask, 8); HV_AT(struct mshv_sint_mask, reserved, 1);

static const unsigned long HV_MSHV_DEVICE_CHECK_EXTENSION = _IOW(HV_MSHV_MAGIC, 0x00, uint32_t);
static const unsigned long HV_MSHV_DEVICE_CREATE_VTL = _IOR(HV_MSHV_MAGIC, 0x1D, char);
static const unsigned long HV_MSHV_VTL_ADD_VTL0_MEMORY = _IOW(HV_MSHV_MAGIC, 0x21, struct mshv_vtl_ram_disposition);
static const unsigned long HV_MSHV_VTL_SET_POLL_FILE = _IOW(HV_MSHV_MAGIC, 0x25, struct mshv_vtl_set_poll_file);
static const unsigned long HV_MSHV_VTL_RETURN_TO_LOWER_VTL = _IO(HV_MSHV_MAGIC, 0x27);
static const unsigned long HV_MSHV_VTL_GET_VP_REGISTERS = _IOWR(HV_MSHV_MAGIC, 0x05, struct mshv_vp_registers);
static const unsigned long HV_MSHV_VTL_SET_VP_REGISTERS = _IOW(HV_MSHV_MAGIC, 0x06, struct mshv_vp_registers);
static const unsigned long HV_MSHV_SINT_SIGNAL_EVENT = _IOW(HV_MSHV_MAGIC, 0x22, struct mshv_vtl_signal_event);
static const unsigned long HV_MSHV_SINT_POST_MESSAGE = _IOW(HV_MSHV_MAGIC, 0x23, struct mshv_vtl_sint_post_msg);
static const unsigned long HV_MSHV_SINT_SET_EVENTFD = _IOW(HV_MSHV_MAGIC, 0x24, struct mshv_vtl_set_eventfd);
static const unsigned long HV_MSHV_SINT_PAUSE_MESSAGE_STREAM = _IOW(HV_MSHV_MAGIC, 0x25, struct mshv_sint_mask);
static const unsigned long HV_MSHV_HVCALL_SETUP = _IOW(HV_MSHV_MAGIC, 0x1E, struct mshv_vtl_hvcall_setup);
static const unsigned long HV_MSHV_HVCALL = _IOWR(HV_MSHV_MAGIC, 0x1F, struct mshv_vtl_hvcall);
