// Descriptors and buffers.
//
// A descriptor is two longwords on a ring:
//   0  31:16 frame length in bytes, 15:0 buffer handle (1 or more, so the longword is never 0)
//   1  to a worker: hash of the flow; to transmit: egress port

#ifndef PACKET_UC
#define PACKET_UC

#include "buffers.uc"

// Byte offset of a buffer in packet_buffers: handle * 17 * 128.
//   out_offset   register
//   in_handle    register, bits 31:16 are 0
//   cycles       3
#macro buffer_offset(out_offset, in_handle)
    alu_shf[out_offset, --, B, in_handle, <<(BUFFER_BITS - BUFFER_GRAIN_BITS)]
    alu[out_offset, out_offset, +, in_handle]
    alu_shf[out_offset, --, B, out_offset, <<BUFFER_GRAIN_BITS]
#endm

// The handle in a descriptor's first longword.
//   out_handle, in_descriptor   registers
//   cycles       1
#macro buffer_handle(out_handle, in_descriptor)
    ld_field_w_clr[out_handle, 0011, in_descriptor]
#endm

// Give a buffer back. The context sleeps until the ring has it.
//   in_handle    register, bits 31:16 are 0
//   cycles       2, and a put
#macro buffer_free(in_handle)
.reg write $handle
.sig freed
    alu[$handle, --, B, in_handle]
    scratch[put, $handle, (FREE_RING << 2), 0, 1], structure[free_ring], ctx_swap[freed]
#endm

// Wait a little before the next look at a ring's state input: the context sleeps for one scratch access. Unlike
// ctx_arb[voluntary] this takes no issue slots, and it is one command at a time.
//   RING         structure that is waited for
//   cycles       1, and a read
#macro pause(RING)
.reg read $nothing
.sig awake
    scratch[read, $nothing, 0, 0, 1], structure[RING], ctx_swap[awake]
#endm

// Drop a frame: give its buffer back, then count the reason in drop_counters.
//   in_handle    register, bits 31:16 are 0
//   reason       register or constant, DROP_*
//   cycles       a put and an add
#macro buffer_drop(in_handle, reason)
    buffer_free(in_handle)
    state_add[drop_counters, reason, 0, 1]
#endm

#endif
