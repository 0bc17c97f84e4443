// Messages between chips, and what classify needs to send packets as such. docs/oboe.md, sections 2 and 6.

#ifndef OBOE_MESSAGE_UC
#define OBOE_MESSAGE_UC

#include "structures.uc"

#define MESSAGE_TYPE 0x88B5
#define MESSAGE_VERSION 1
#define MESSAGE_DISPATCH 0
#define MESSAGE_CALL 1
#define MESSAGE_REPLY 2
#define MESSAGE_REPLICA 3
#define MESSAGE_PARTIAL 4
#define MESSAGE_PREPARE 5               // 5 to 14: moves of bundles, not sent yet
#define MESSAGE_READY 6                 // or REFUSE: flag 0
#define MESSAGE_FREEZE 7
#define MESSAGE_MARKER 8
#define MESSAGE_FLUSH 9                 // or FLUSHED: flag 0
#define MESSAGE_STATE 10
#define MESSAGE_INSTALLED 11
#define MESSAGE_FLIP 12
#define MESSAGE_RELEASE 13              // or ABORT: flag 0
#define MESSAGE_LOAD 14
#define MESSAGE_ACK 15                  // also the heartbeat
#define MESSAGE_BODY 36                 // bytes of the message before what `length` counts: Ethernet header to argument

// A packet's work word: bundle, bucket, signature.
#define WORK_BUNDLE 22
#define WORK_BUCKET 18
#define WORK_BUCKET_END (32 - WORK_BUCKET)

// The multipliers of the 128-bit hash: any odd-looking words do, but all chips have the same.
//   cycles       8, and a write
#macro set_hash_multipliers()
.reg write $multiplier[4]
.sig set
.reg part
    immed[part, HASH_MULTIPLIER_LOW_0]
    immed_w1[part, HASH_MULTIPLIER_HIGH_0]
    alu[$multiplier[0], --, B, part]
    immed[part, HASH_MULTIPLIER_LOW_1]
    immed_w1[part, HASH_MULTIPLIER_HIGH_1]
    alu[$multiplier[1], --, B, part]
    immed[part, HASH_MULTIPLIER_LOW_2]
    immed_w1[part, HASH_MULTIPLIER_HIGH_2]
    alu[$multiplier[2], --, B, part]
    immed[part, HASH_MULTIPLIER_LOW_3]
    immed_w1[part, HASH_MULTIPLIER_HIGH_3]
    alu[$multiplier[3], --, B, part]
    cap[write, $multiplier[0], HASH_MULTIPLIER_128_0, 4], ctx_swap[set]
#endm

// The entry of a bundle.
//   out_entry    register
//   in_bundle    register
//   cycles       a read
#macro read_entry(out_entry, in_bundle)
.begin
.state_xfer line[1] bundle_table
    state_read[line, bundle_table, in_bundle, 0, 1]
    alu[out_entry, --, B, line[0]]
.end
#endm

// The chip of an entry.
//   out_chip, in_entry  registers
//   cycles       1
#macro entry_chip(out_chip, in_entry)
    alu_shf[out_chip, 0xFF, AND, in_entry, >>16]
#endm

// Put something on the transmit ring, to a chip. Uses put_done of the program.
//   in_descriptor, in_chip  registers
//   cycles       3, a read and a put
#macro message_transmit(in_descriptor, in_chip)
.begin
.reg write $send[2]
.state_xfer route[1] chip_routes
    state_read[route, chip_routes, in_chip, 0, 1]
    alu[$send[0], --, B, in_descriptor]
    alu[$send[1], --, B, route[0]]
    scratch[put, $send[0], (TX_RING << 2), 0, 2], structure[tx_ring], ctx_swap[put_done]
.end
#endm

#endif
